"""Tests of ``yanksync.upstream``."""
