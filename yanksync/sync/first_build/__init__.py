"""Reads and writes the pages of a first build in several processes."""
