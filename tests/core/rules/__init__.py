"""Tests of ``yanksync.core.rules``."""
