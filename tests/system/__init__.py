"""Tests of ``yanksync.system``."""
