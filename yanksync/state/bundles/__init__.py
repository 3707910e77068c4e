"""The bundles that were made, and what changed since."""
