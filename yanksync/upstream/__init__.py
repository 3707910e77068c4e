"""Upstream: the only part that talks to it, and the readers of what it answers."""
