"""A table of results as data: rows, means, marks, captions and notes."""
