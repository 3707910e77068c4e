"""Tests of ``yanksync.state``."""
