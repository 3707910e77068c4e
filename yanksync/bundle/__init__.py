"""Carries what a mirror publishes across an air gap, in files."""
