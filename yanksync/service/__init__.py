"""What runs around passes: the scheduler, metrics, reports, and files for deployment."""
