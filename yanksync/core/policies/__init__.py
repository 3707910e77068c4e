"""Decides what is offered of a page."""
