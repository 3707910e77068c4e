"""Tests of ``yanksync.core.formats``."""
