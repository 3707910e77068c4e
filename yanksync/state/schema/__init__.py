"""The schema of the state database. DDL stands nowhere else."""
