"""What leaves the store: frames, tables and plots."""
