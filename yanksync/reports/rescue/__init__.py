"""The rescue: copies of a release that is gone, verified by their hashes."""
