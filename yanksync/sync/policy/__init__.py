"""Cooldown, overrides and advisories in a pass."""
