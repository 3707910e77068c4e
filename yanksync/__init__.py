"""Follow a package index's journal and keep a static mirror of its Simple API."""

__version__ = "0.1.0"
