"""Makes compressed copies (pure).

Compressed bytes are never compared, because the same body may get others in another run. A copy is
right if it unpacks to its page.
"""

from __future__ import annotations

import errno
import importlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from yanksync.core.formats import deflate
from yanksync.core.layout import PACKET, is_worth_keeping


def compress(codec: str, body: bytes) -> bytes:
    """Return ``body`` compressed by ``codec``: gzip, br or zstd; see :func:`compressed_copy`.

    Raises :class:`ImportError` when the codec's library is not installed; the configuration has
    checked that before.
    """
    if codec == "gzip":
        return deflate.gzip_compress(body)
    if codec == "br":
        import brotli

        return bytes(brotli.compress(body, quality=5))
    import zstandard

    return bytes(zstandard.ZstdCompressor(level=9, write_content_size=True).compress(body))


def compressed_copy(codec: str, body: bytes) -> bytes | None:
    """Compress ``body``; None if that saves less than a network packet."""
    if len(body) <= PACKET:
        return None
    copy = compress(codec, body)
    return copy if is_worth_keeping(len(body), len(copy)) else None


def compress_chunks(codec: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Compress ``chunks`` piece by piece.

    The list of projects is too long to be kept in memory.
    """
    if codec == "gzip":
        engine = deflate.gzip_compressor()
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


def decompress_chunks(codec: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield ``chunks`` decompressed. Raises :class:`ValueError` for other data.

    Raises :class:`OSError` if the codec's library is not installed: another configuration or
    machine may have written the compressed copies.
    """
    if codec == "gzip":
        yield from _gunzip(chunks)
    elif codec == "br":
        brotli = _library("brotli")
        brotler = brotli.Decompressor()
        try:
            yield from map(brotler.process, chunks)
        except brotli.error as error:
            raise ValueError(str(error)) from error
        if not brotler.is_finished():
            raise ValueError("truncated")
    else:
        zstandard = _library("zstandard")
        zstd = zstandard.ZstdDecompressor().decompressobj()
        try:
            yield from map(zstd.decompress, chunks)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        why = f"cannot be read: the Python package {name} is not installed"
        raise OSError(errno.ENOSYS, why) from error


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    engine = zlib.decompressobj(31)
    try:
        for chunk in chunks:
            if engine.eof:
                raise ValueError("more than one stream")
            yield engine.decompress(chunk)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not engine.eof or engine.unused_data:
        raise ValueError("truncated, or followed by something else")
