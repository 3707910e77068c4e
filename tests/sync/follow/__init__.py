"""Tests of ``yanksync.sync.follow``."""
