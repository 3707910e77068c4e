"""Tests of ``yanksync.core.package_files``."""
