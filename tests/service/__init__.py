"""Tests of ``yanksync.service``."""
