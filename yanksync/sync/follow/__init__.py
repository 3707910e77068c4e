"""Learns what has changed.

From the journal, or from the list of projects.
"""
