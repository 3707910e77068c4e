"""Pure: precompressed siblings. The same body gives the same bytes in every run."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator

GZIP_LEVEL = 6  # components.md, section 4: level 9 gains half a percent for a third more time


def compress(codec: str, body: bytes) -> bytes:
    """Return ``body`` compressed by ``codec``: gzip, br or zstd.

    Raises :class:`ImportError` when the codec's library is not installed; the configuration has
    checked that before.
    """
    if codec == "gzip":
        return gzip.compress(body, GZIP_LEVEL, mtime=0)
    if codec == "br":
        import brotli

        return bytes(brotli.compress(body, quality=5))
    import zstandard

    return bytes(zstandard.ZstdCompressor(level=9, write_content_size=True).compress(body))


def stream(codec: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield ``chunks`` compressed by ``codec``; the list of projects is too long to hold."""
    if codec == "gzip":
        import zlib

        engine = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
        yield from _run(chunks, engine.compress, engine.flush)
    elif codec == "br":
        import brotli

        brotler = brotli.Compressor(quality=5)
        yield from _run(chunks, brotler.process, brotler.finish)
    else:
        import zstandard

        zstd = zstandard.ZstdCompressor(level=3).compressobj()
        yield from _run(chunks, zstd.compress, zstd.flush)


def _run(chunks: Iterable[bytes], step: object, finish: object) -> Iterator[bytes]:
    for chunk in chunks:
        if out := step(chunk):  # type: ignore[operator]
            yield out
    yield finish()  # type: ignore[operator]
