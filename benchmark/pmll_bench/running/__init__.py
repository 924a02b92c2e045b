"""Runs groups of cells: the only package that combines data set, method and store."""
