"""Carries out groups of cells: the only package that uses data set, method and store."""
