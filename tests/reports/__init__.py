"""Tests of the reports for users of withdrawn releases."""
