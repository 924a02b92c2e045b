"""Losses: one function per loss, one equation per function."""
