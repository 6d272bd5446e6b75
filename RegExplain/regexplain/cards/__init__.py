"""Installed models by their cards, and the names of what they give; no torch."""
