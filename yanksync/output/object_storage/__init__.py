"""The output in a bucket."""
