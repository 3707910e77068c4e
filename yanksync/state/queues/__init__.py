"""Pages to fetch, pages to publish, and changes for hooks."""
