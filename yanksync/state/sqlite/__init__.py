"""Files and errors of SQLite."""
