"""Tests of ``yanksync.adopt``."""
