"""Comparisons of methods with intervals: what a difference between two rows of a table means."""
