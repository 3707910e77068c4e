"""Readers of lock files: bytes to pins."""
