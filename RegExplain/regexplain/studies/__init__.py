"""Studies of what RegExplain's own networks and maps can be believed for, run by `regexplain study`."""
