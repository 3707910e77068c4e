"""Compares the output with the state, and repairs it."""
