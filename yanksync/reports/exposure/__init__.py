"""The exposure: which clients fetched files that were withdrawn."""
