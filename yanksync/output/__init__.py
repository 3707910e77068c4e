"""The published files, in a directory or in object storage."""
