"""Describes what a bundle contains.

A bundle has a header, and members whose names are fixed.
"""
