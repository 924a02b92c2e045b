"""Kept models: open them, predict images that are in no data set, and see where they go wrong."""
