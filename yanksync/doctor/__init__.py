"""Checks what a mirror needs, for ``doctor`` and ``init``; changes nothing."""
