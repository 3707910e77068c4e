"""Compresses with DEFLATE (RFC 1951), as fast as possible (pure).

Intel's ISA-L makes files as small as zlib's level 6, in a sixth of the time. If there is no wheel
of ``isal``, zlib does the work. Each can unpack what the other has packed.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

_FAST = 1  # ISA-L's level: 2 saves nothing on pages, 3 takes 1.5 times as long
_SMALL, _QUICK = 6, 1  # zlib's levels: for copies, which are read often; for the state
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

    ISA-L leaves values in the upper halves of the AVX registers. After that each SSE instruction of
    the thread is slower: all Python code took a quarter longer, until the process ended. OpenSSL's
    SHA-512 clears these halves at its end (``vzeroupper``), and takes half a microsecond.
    """
    from hashlib import sha512  # start-up: it loads OpenSSL, 4 MiB

    sha512(b"").digest()
    return result


@cache
def _isal() -> Any:
    try:
        from isal import isal_zlib  # start-up: an empty pass packs nothing
    except (ImportError, OSError):  # OSError: too many open files, or no permission
        return None
    return isal_zlib
