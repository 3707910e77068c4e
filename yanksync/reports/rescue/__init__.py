"""Finds copies of a release that is gone, by their hashes."""
