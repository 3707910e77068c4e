"""Writes a ZIP archive as a stream.

Its memory does not grow with the number of entries. :mod:`zipfile` keeps an object for each entry
until the end. This module writes the list of entries to a temporary file (APPNOTE.TXT, 4.3).
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator

_ENTRY = "<4s5H3I2H"  # of a local header, from its signature to the length of the extra field
_LISTED = "<4s6H3I5H2I"  # of the central directory
_DAY = 33  # 1 January 1980, the earliest date, so that equal entries give equal bytes
_DEFLATED = 8
_UTF8 = 0x800
_ZIP64 = 45
_MOST = 0xFFFF
_LARGEST = 0xFFFFFFFF
_CHUNK = 1 << 16


def zip_chunks(entries: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield an archive of ``entries``, each a name and a body.

    No body may have 4 GiB. Raises :class:`OSError` when the temporary file cannot be written.
    """
    offset = count = size = 0
    with tempfile.TemporaryFile(prefix="yanksync-") as listed:
        for name, body in entries:
            header, data, entry = _packed(name.encode(), body, offset)
            yield header
            yield data
            size += listed.write(entry)
            offset += len(header) + len(data)
            count += 1
        listed.seek(0)
        while chunk := listed.read(_CHUNK):
            yield chunk
    yield _end(count, size, offset)


def _packed(name: bytes, body: bytes, offset: int) -> tuple[bytes, bytes, bytes]:
    """Return an entry's header, data and row of the directory."""
    engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = engine.compress(body) + engine.flush()
    extra = struct.pack("<2HQ", 1, 8, offset) if offset >= _LARGEST else b""
    needs = _ZIP64 if extra else 20
    about = (_UTF8, _DEFLATED, 0, _DAY, zlib.crc32(body), len(data), len(body))
    header = struct.pack(_ENTRY, b"PK\3\4", needs, *about, len(name), 0) + name
    start = min(offset, _LARGEST)
    entry = struct.pack(
        _LISTED, b"PK\1\2", needs, needs, *about, len(name), len(extra), 0, 0, 0, 0, start
    )
    return header, data, entry + name + extra


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
