"""Recovers where the state may not know the output."""
