"""Tests of ``yanksync.core``."""
