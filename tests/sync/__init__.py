"""Tests of ``yanksync.sync``."""
