"""The program with a mirror in object storage."""
