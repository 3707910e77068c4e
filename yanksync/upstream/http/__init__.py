"""How answers come over the wire: connections, limits, redirects."""
