"""Pure: DEFLATE (RFC 1951), as fast as this installation can.

Intel's ISA-L makes of a page what zlib's level 6 makes of it, in a sixth of the time. Where there
is no wheel of ``isal``, zlib does the same; whatever one of them packed, the other unpacks.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

_FAST = 1  # ISA-L's level: 2 saves nothing on pages, 3 takes half as long again
_SMALL, _QUICK = 6, 1  # zlib's: of a copy, which is read often, and of what the state keeps
_GZIP, _ZLIB = 31, 15  # window bits: the format of gzip (RFC 1952), its time left at 0; or of zlib


def gzip_compress(body: bytes) -> bytes:
    """Return ``body`` as a gzip file."""
    fast = _isal()
    if fast is not None:
        return _with_registers_cleared(fast.compress(body, _FAST, _GZIP))
    return zlib.compress(body, _SMALL, _GZIP)


def gzip_compressor() -> Any:
    """Return a gzip compressor with the methods ``compress`` and ``flush``."""
    fast = _isal()
    if fast is not None:
        return _GzipCompressor(fast.compressobj(_FAST, zlib.DEFLATED, _GZIP))
    return zlib.compressobj(_SMALL, zlib.DEFLATED, _GZIP)


def zlib_compress(body: bytes) -> bytes:
    """Return ``body`` for the state to keep; :func:`zlib.decompress` unpacks it."""
    fast = _isal()
    return (
        _with_registers_cleared(fast.compress(body, _FAST, _ZLIB))
        if fast is not None
        else zlib.compress(body, _QUICK)
    )


class _GzipCompressor:
    """ISA-L's compressor of one gzip file."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def compress(self, data: bytes) -> bytes:
        return _with_registers_cleared(self._engine.compress(data))

    def flush(self) -> bytes:
        return _with_registers_cleared(self._engine.flush())


def _with_registers_cleared(result: bytes) -> bytes:
    """Return ``result``, with the processor's wide registers cleared.

    ISA-L leaves values in the upper halves of the AVX registers. From then on each SSE instruction
    of the thread waits for them: all of Python took a quarter longer, until the process ended.
    OpenSSL's SHA-512 clears these halves at its end (``vzeroupper``), and takes half a microsecond.
    """
    from hashlib import sha512  # start-up: it loads OpenSSL, 4 MiB

    sha512(b"").digest()
    return result


@cache
def _isal() -> Any:
    try:
        from isal import isal_zlib  # start-up: an empty pass packs nothing
    except (ImportError, OSError):  # OSError: too many open files, or it may not be read
        return None
    return isal_zlib
