"""Whole passes, by subject."""
