"""A table as text, in one module per format."""
