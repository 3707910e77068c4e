"""The state database. The only place that knows SQLite and sqlite-utils."""
