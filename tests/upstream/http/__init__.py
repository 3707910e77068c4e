"""Tests of ``yanksync.upstream.http``."""
