"""Tracks of methods whose papers take other values on other data sets: the values as data, each with its source."""
