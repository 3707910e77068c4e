"""Asks upstream: the journal, the list of projects, pages."""
