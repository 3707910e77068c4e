"""Tests of ``yanksync.mirror``."""
