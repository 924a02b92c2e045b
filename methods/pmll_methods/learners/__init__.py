"""Base classes that a method derives from."""
