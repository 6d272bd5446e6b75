"""Studies of papers, each made anew from the shipped weights by `regexplain reproduce`."""
