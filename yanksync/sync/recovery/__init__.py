"""Recovers if the state may not know the output."""
