"""The shape of a project page in JSON.

It decodes bytes into typed, unchecked values. If an element has a wrong shape, the page is read
again, element by element, so that one bad file hides no other file's yank. Unknown keys are
ignored. If a key is repeated, the last one counts, as in every common JSON reader.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from yanksync.core.errors import mebibytes
from yanksync.core.formats.file_checks import linked_name
from yanksync.core.formats.reader_rules import InvalidDocument, PageRules, PageWarnings

T = TypeVar("T")

_OBJECT, _VALUE = 240, 64  # bytes of memory of a small object, and of any other value
_GROWTH = 5  # pages of real indexes need less than 3 times their size
_LONE = re.compile("[\ud800-\udfff]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class WireMeta(Struct, gc=False):
    """The ``meta`` object; the readers of its fields check their types."""

    api_version: Any = msgspec.field(name="api-version", default=None)
    last_serial: Any = msgspec.field(name="_last-serial", default=None)
    project_status: Any = msgspec.field(
        name="project-status", default=None
    )  # where some indexes put it5
    status_reason: Any = msgspec.field(name="project-status-reason", default=None)


class WireFile(Struct, rename="kebab", gc=False):
    """One element of ``files``."""

    filename: str
    url: str
    hashes: dict[str, str]
    yanked: bool | str | None = False
    requires_python: str | None = None
    size: Any = None
    upload_time: Any = None
    core_metadata: Any = None
    dist_info_metadata: Any = None
    data_dist_info_metadata: Any = None
    gpg_sig: Any = None
    provenance: Any = None


class WirePage(Struct, rename="kebab", gc=False):
    """The whole page."""

    meta: WireMeta
    name: str
    files: list[WireFile]
    versions: list[str] | None = None
    project_status: Any = None


class _LoosePage(Struct, rename="kebab", gc=False):
    """The whole page, with undecoded files and versions."""

    meta: WireMeta
    name: str
    files: list[Any]
    versions: list[Any] | None = None
    project_status: Any = None


class InvalidFileEntry(Struct):
    """An element of ``files`` that cannot be read."""

    filename: str
    problem: str
    marked: bool  # whether it may be yanked


_DECODER = msgspec.json.Decoder(WirePage)
_LOOSE_DECODER = msgspec.json.Decoder(_LoosePage)


def decode_page(
    body: bytes, rules: PageRules, warnings: PageWarnings
) -> tuple[WirePage, list[InvalidFileEntry]]:
    """Decode a page; return it without bad elements, and these.

    Raises:
        Broken, ValueError, RecursionError: it is no JSON, or more than an element is wrong.
    """
    try:
        return decode(_DECODER, body, rules), []
    except msgspec.ValidationError:
        return _piecewise(decode(_LOOSE_DECODER, body, rules), rules, warnings)


def decode(decoder: msgspec.json.Decoder[T], body: bytes, rules: PageRules) -> T:
    """Decode ``body``.

    A page with lone surrogates, which msgspec refuses, is decoded by the json module.

    Raises:
        Broken, ValueError, RecursionError: it is no JSON, of another shape, or has too many values.
    """
    check_values(body, rules)
    body = body.removeprefix(codecs.BOM_UTF8)  # not JSON, but harmless (RFC 8259, section 8.1)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as error:
        if "UTF-8" in str(error):  # since msgspec 0.23 no UnicodeError
            body.decode()
        if _SURROGATE.search(body) is None:
            raise
    value = json.loads(
        body.decode(), parse_constant=_no_constant, object_pairs_hook=_encodable_keys
    )
    converted: T = msgspec.convert(value, decoder.type)
    return converted


def check_values(body: bytes, rules: PageRules) -> None:
    """Refuse JSON with too many values, before decoding it.

    Raises:
        InvalidDocument: they would take more than ``rules.max_size`` a fixed number of times.
    """
    limit = rules.max_size * _GROWTH
    if len(body) * _OBJECT <= limit:
        return
    # Characters in texts count, too, because a closer look would cost as much as this check saves.
    values = body.count(b"[") + body.count(b",")
    if _OBJECT * body.count(b"{") + _VALUE * values > limit:
        raise InvalidDocument(
            f"it has so many values that it would need more than {mebibytes(limit)} of memory, "
            f"{_GROWTH} times upstream.max_page_size"
        )


def _encodable_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object without the keys that hold lone surrogates.

    msgspec refuses such keys, too, and no known key is among them.
    """
    return {key: value for key, value in pairs if not _LONE.search(key)}


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which are no JSON."""
    raise InvalidDocument(f"{name} is no JSON")


def _piecewise(
    loose: _LoosePage, rules: PageRules, warnings: PageWarnings
) -> tuple[WirePage, list[InvalidFileEntry]]:
    """Return a page without malformed elements, and its readable files.

    Raises:
        InvalidDocument: there are too many elements.
    """
    if len(loose.files) > rules.max_files:
        raise InvalidDocument(f"more than {rules.max_files} files")
    files: list[WireFile] = []
    misfits: list[InvalidFileEntry] = []
    for number, raw in enumerate(loose.files, 1):
        try:
            files.append(msgspec.convert(raw, WireFile))
        except msgspec.ValidationError as problem:
            misfits.append(_misfit(raw, number, problem))
    versions = loose.versions
    if versions is not None:
        versions = [version for version in versions if isinstance(version, str)]
        if len(versions) != len(loose.versions or ()):
            warnings.add("a version is no text; it is left out of the versions")
    return WirePage(loose.meta, loose.name, files, versions, loose.project_status), misfits


def _misfit(raw: object, number: int, problem: msgspec.ValidationError) -> InvalidFileEntry:
    """Return the facts about the unreadable file ``number``."""
    known = raw if isinstance(raw, dict) else {}
    filename, url = known.get("filename"), known.get("url")
    if not isinstance(filename, str):
        filename = linked_name(url) if isinstance(url, str) else f"number {number}"
    return InvalidFileEntry(
        filename, f"it is invalid: {problem}", known.get("yanked") not in (None, False)
    )
