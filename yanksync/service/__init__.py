"""Things around passes: scheduler, metrics, reports, deployment files."""
