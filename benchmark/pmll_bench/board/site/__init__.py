"""The pages of a board as static files: rendered from its records, written into a folder."""
