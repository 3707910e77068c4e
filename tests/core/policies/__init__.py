"""Tests of ``yanksync.core.policies``."""
