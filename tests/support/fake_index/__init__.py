"""A whole package index in memory, with a journal, pages, a CDN and faults."""
