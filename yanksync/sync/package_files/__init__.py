"""Copies package files, and takes out of service what no page names any more."""
