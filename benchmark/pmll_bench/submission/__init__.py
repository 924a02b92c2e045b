"""Packages of results: made from a store, and checked before a board takes them."""
