"""Decides about package files of a mirror that copies them.

It chooses the path of each copy, and the files that a page offers.
"""
