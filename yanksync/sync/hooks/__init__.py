"""Tells others what has changed in the output."""
