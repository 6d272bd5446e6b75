"""Landmarks: points that belong together in the two images, and how far apart they lie."""
