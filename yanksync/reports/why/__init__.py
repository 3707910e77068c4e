"""Explains why a release can, or cannot, be installed."""
