"""Modules and functions that methods use. Losses are in `losses/`, base classes in `learners/`."""
