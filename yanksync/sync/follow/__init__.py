"""Learns what has changed.

The sources are the journal and the list of projects.
"""
