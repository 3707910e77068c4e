"""Tests of ``yanksync.verify``."""
