"""Keep a static mirror of a package index by following its journal."""

__version__ = "0.1.0"
