"""Learns what has changed: from the journal, or from the list of projects."""
