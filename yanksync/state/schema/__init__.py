"""The schema of the state database. There is no DDL elsewhere."""
