"""Journal rows, read in one pass over the bytes of an answer.

Python's xmlrpc.client writes a list of rows in exactly one form, and Warehouse answers with it. An
answer in this form takes a tenth of the time that its XML takes. Any other answer is left to
:mod:`.xmlrpc_values`, so nothing is read here that XML would read differently.
"""

from __future__ import annotations

import re

from yanksync.model import JournalEntry

# Without control characters: XML forbids most of them, and reads a carriage return as a new line.
_CHARACTERS = rb"[^<>&\x00-\x08\x0b-\x1f]*"
_ESCAPED = rb"%b(?:&(?:amp|lt|gt);%b)*" % (_CHARACTERS, _CHARACTERS)
_TEXT = rb"<value>(?:<string>(%b)</string>|<nil/>)</value>\n?" % _ESCAPED  # none after nil
_INT = rb"<value><int>(-?[0-9]{1,10})</int></value>\n"
_ROW = re.compile(
    rb"<value><array><data>\n%b</data></array></value>\n" % (_TEXT + _TEXT + _INT + _TEXT + _INT)
)
_HEAD = (
    b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n"
)
_TAIL = b"</data></array></value>\n</param>\n</params>\n</methodResponse>\n"
_NO_CHARACTERS = re.compile("[\ufffe\uffff]")  # XML forbids these two as well
_LAST_SECOND = 253402300799  # the end of the year 9999


class _Texts(dict[bytes | None, str | None]):
    """Decoded texts by their bytes: the rows of an answer share most of them."""

    def __missing__(self, raw: bytes) -> str:
        text = raw.decode()
        if _NO_CHARACTERS.search(text):
            raise ValueError(text)
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        self[raw] = text
        return text


def rows_of(body: bytes, most: int) -> list[JournalEntry] | None:
    """Return the rows of an answer, None if it has another form than the usual one.

    Reading ends after ``most`` + 1 rows: the caller refuses so many.
    """
    if not body.startswith(_HEAD):
        return None
    texts = _Texts({None: None})
    rows: list[JournalEntry] = []
    at = len(_HEAD)
    try:
        while len(rows) <= most and (row := _ROW.match(body, at)) is not None:
            name, version, timestamp, action, serial = row.groups()
            rows.append(
                entry(texts[name], texts[version], int(timestamp), texts[action], int(serial))
            )
            at = row.end()
    except ValueError:  # no UTF-8, or no character of XML's
        return None
    complete = len(rows) > most or (body.endswith(_TAIL) and at + len(_TAIL) == len(body))
    return rows if complete else None


def entry(
    name: str | None, version: str | None, timestamp: int, action: str | None, serial: int
) -> JournalEntry:
    """Return a row as a value. Its time is for people only (R4), so any number will do."""
    moment = min(max(timestamp, 0), _LAST_SECOND)
    return JournalEntry(name or "", version, moment, action or "", serial)
