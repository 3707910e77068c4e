"""What scripts/docs generates of docs/reference."""
