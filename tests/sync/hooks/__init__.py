"""Tests of ``yanksync.sync.hooks``."""
