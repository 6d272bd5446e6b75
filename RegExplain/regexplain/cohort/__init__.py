"""Many pairs at once, `regexplain cohort`, and what they have in common, `regexplain population`."""
