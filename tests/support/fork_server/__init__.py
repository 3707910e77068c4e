"""Processes of yanksync without the time that its imports take."""
