"""Tests of ``yanksync.output``."""
