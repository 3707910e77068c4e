"""The connection to the database, its files and its errors."""
