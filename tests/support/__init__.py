"""Helpers of the tests: no tests are here."""
