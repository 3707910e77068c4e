"""Writes ZIP archives as streams, and reads its own ones.

Memory does not grow with the number of entries. :mod:`zipfile` keeps an object for each entry until
the end. This module writes the list of entries to a temporary file (APPNOTE.TXT, 4.3). It does not
compress an entry again that it has read.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator

from msgspec import Struct

_ENTRY = "<5H3I2H"  # of a local header, after its signature, to the length of the extra field
_ENTRY_SIZE = struct.calcsize(_ENTRY)
_ENTRY_SIGNATURE = b"PK\3\4"
_DATA_SIZE = 5  # the place of the compressed size in ``about``
_LISTED = "<4s6H3I5H2I"  # of the central directory
_DAY = 33  # 1 January 1980, the earliest date, so that equal entries give equal bytes
_DEFLATED = 8
_UTF8 = 0x800
_ZIP64 = 45
_MOST = 0xFFFF
_LARGEST = 0xFFFFFFFF
_CHUNK = 1 << 16
# For short bodies: zlib clears its memory for each of them. With its own values (-15 and 8) a body
# of 500 bytes takes four times as long, and is not smaller.
_WINDOW, _MEMORY = -12, 5


class ZipEntry(Struct, frozen=True):
    """An entry, compressed."""

    name: bytes
    about: tuple[int, ...]  # as in its header, from the flags to the size of the body
    data: bytes


def compressed(name: str, body: bytes) -> ZipEntry:
    """Return an entry of an archive. No body may have 4 GiB."""
    engine = zlib.compressobj(6, zlib.DEFLATED, _WINDOW, _MEMORY)
    data = engine.compress(body) + engine.flush()
    about = (_UTF8, _DEFLATED, 0, _DAY, zlib.crc32(body), len(data), len(body))
    return ZipEntry(name.encode(), about, data)


def unpacked(entry: ZipEntry) -> bytes:
    """Return the body of an entry. Raises :class:`zlib.error`."""
    return zlib.decompress(entry.data, -zlib.MAX_WBITS)


def read_entries(chunks: Iterable[bytes]) -> Iterator[ZipEntry]:
    """Yield the entries of an archive that :func:`zip_chunks` wrote.

    Raises :class:`ValueError` when it ends early.
    """
    source = _Source(chunks)
    while source.take(4) == _ENTRY_SIGNATURE:
        _, *about, name_size, _ = struct.unpack(_ENTRY, source.take(_ENTRY_SIZE))
        name = source.take(name_size)
        yield ZipEntry(name, tuple(about), source.take(about[_DATA_SIZE]))


class _Source:
    """Gives the bytes of ``chunks`` in other portions."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = b""
        self._position = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes. Raises :class:`ValueError` at the end."""
        while len(self._chunk) - self._position < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise ValueError("the archive ends early")
            self._chunk, self._position = self._chunk[self._position :] + chunk, 0
        self._position += size
        return self._chunk[self._position - size : self._position]


def zip_chunks(entries: Iterable[ZipEntry]) -> Iterator[bytes]:
    """Yield an archive of ``entries``.

    Raises :class:`OSError` when the temporary file cannot be written.
    """
    offset = count = size = 0
    waiting = bytearray()
    with tempfile.TemporaryFile(prefix="yanksync-") as listed:
        for entry in entries:
            extra = struct.pack("<2HQ", 1, 8, offset) if offset >= _LARGEST else b""
            about = (_ZIP64 if extra else 20, *entry.about, len(entry.name))
            header = _ENTRY_SIGNATURE + struct.pack(_ENTRY, *about, 0) + entry.name
            waiting += header + entry.data
            if len(waiting) >= _CHUNK:
                yield bytes(waiting)
                waiting.clear()
            size += listed.write(_listed(entry.name, about, extra, offset))
            offset += len(header) + len(entry.data)
            count += 1
        yield bytes(waiting)
        listed.seek(0)
        while chunk := listed.read(_CHUNK):
            yield chunk
    yield _end(count, size, offset)


def _listed(name: bytes, about: tuple[int, ...], extra: bytes, offset: int) -> bytes:
    """Return the row of an entry in the central directory."""
    start = min(offset, _LARGEST)
    row = struct.pack(_LISTED, b"PK\1\2", about[0], *about, len(extra), 0, 0, 0, 0, start)
    return row + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    """Return the end of an archive, in ZIP64 if needed."""
    found = b""
    if count >= _MOST or offset + size >= _LARGEST:
        found += struct.pack(
            "<4sQ2H2I4Q", b"PK\6\6", 44, _ZIP64, _ZIP64, 0, 0, count, count, size, offset
        )
        found += struct.pack("<4sIQI", b"PK\6\7", 0, offset + size, 1)
    few, start = min(count, _MOST), min(offset, _LARGEST)
    return found + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, few, few, min(size, _LARGEST), start, 0)
