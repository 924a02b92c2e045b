"""Prepares a plan before its cells run: downloads, word vectors, and checks of class names."""
