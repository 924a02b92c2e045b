"""The training loop of all torch methods."""
