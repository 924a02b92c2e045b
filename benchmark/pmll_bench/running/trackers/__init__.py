"""The trackers of `run --log`, one module each; see `run.tracking`."""
