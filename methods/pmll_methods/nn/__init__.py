"""Modules and functions from which methods build networks; losses are in `losses/`, base classes in `learners/`."""
