"""Files and errors of SQLite, and reading without the right to write."""
