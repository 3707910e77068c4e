"""Publishes what was withdrawn: the log, feeds and OSV records."""
