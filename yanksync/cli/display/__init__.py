"""Helpers for printing: times and durations, columns, the pager."""
