"""Numbers of bytes for people."""

from __future__ import annotations


def readable_size(size: float) -> str:
    """Return a number of bytes with one decimal, as ``1.2 MiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
