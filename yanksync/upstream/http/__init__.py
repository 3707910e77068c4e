"""HTTP to upstream: connections, limits and redirects."""
