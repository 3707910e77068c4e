"""Checks the commands that tell how a mirror is.

It also checks the commands that act on this.
"""
