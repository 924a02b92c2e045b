"""Recipes, tracks and statements that several methods share, each with its source."""
