"""Tests of ``yanksync.config``."""
