"""Tests with servers of other clouds, which scripts/clouds installs."""
