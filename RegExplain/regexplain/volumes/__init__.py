"""Images in memory and on disk: their grids, how they are read and checked, their intensities."""
