"""Reads the serial of a published file, in any form."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress

from yanksync.core import layout
from yanksync.output.compress import decompress_chunks

LARGEST = 128 << 20
"""Bytes of a published page that are read at the most; as much as is taken of upstream's."""

HEAD = 512
"""Bytes of a JSON form that hold its ``meta``, in pages of yanksync or bandersnatch."""

# Compiled when they are used, because most commands need none. Digits at the very end may be cut
# off, so they are no serial.
_JSON = rb'"meta"\s*:\s*\{[^{}]*?"_last-serial"\s*:\s*"?(\d{1,18})(?=\D)'
_FOLLOWERS = rb'"last_serial"\s*:\s*(\d{1,18})(?=\D)'
_HTML = rb"<!--SERIAL (\d{1,18})-->"


def serial_in(text: bytes | bytearray) -> int | None:
    """Return the serial in the first bytes of a page, or None."""
    if text[:64].lstrip().startswith(b"{"):
        match = re.search(_JSON, text) or re.search(_FOLLOWERS, text)
    else:  # not for JSON, where it can be part of a yank's reason
        match = re.search(_HTML, text)
    return None if match is None else int(match[1])


def serial_of(filename: str, chunks: Iterable[bytes]) -> int | None:
    """Return the serial in a file of this name, or None.

    A damaged compressed copy is read up to the damage, because clients see no more of it. A file
    that is larger than any page has no serial. Raises :class:`OSError` if the file cannot be read.
    """
    codec = layout.ENCODING.get(os.path.splitext(filename)[1])
    body = bytearray()
    with suppress(ValueError):
        for chunk in chunks if codec is None else decompress_chunks(codec, chunks):
            body += chunk
            if len(body) - len(chunk) < HEAD and (found := serial_in(body)) is not None:
                return found
            if len(body) > LARGEST:
                break
    return serial_in(body)


def highest_serial(serials: Iterable[int | None]) -> int | None:
    """Return the highest of the serials; None if there is none."""
    return max((serial for serial in serials if serial is not None), default=None)
