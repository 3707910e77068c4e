"""Tests of the fake index itself."""
