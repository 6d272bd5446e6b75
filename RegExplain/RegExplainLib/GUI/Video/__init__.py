"""A motion as an animated GIF or an MP4 video."""
