"""Tracks that methods share or that differ by data set, and what cards say of them: data, each with its source."""
