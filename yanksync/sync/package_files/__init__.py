"""Copies package files, and removes copies that no page names."""
