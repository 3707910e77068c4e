"""Reads advisories about malware from records in the OSV format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from yanksync.core.formats.reader_rules import InvalidDocument
from yanksync.core.names import normalize
from yanksync.core.policies.overrides import Advisory

_MALWARE = "MAL-"
_ECOSYSTEM = "PyPI"


class _WirePackage(Struct, gc=False):
    ecosystem: str
    name: str


class _WireRange(Struct, gc=False):
    type: str
    events: list[dict[str, str]] = field(default_factory=list)


class _WireAffected(Struct, gc=False):
    package: _WirePackage | None = None
    versions: list[str] | None = None
    ranges: list[_WireRange] | None = None


class _WireRecord(Struct, gc=False):
    id: str
    aliases: list[str] | None = None
    withdrawn: Any = None
    affected: list[_WireAffected] | None = None


_DECODER = msgspec.json.Decoder(_WireRecord)


def parse_record(body: bytes) -> list[tuple[str, Advisory]]:
    """Return a record's malware on PyPI, by normalised name.

    Withdrawn records say nothing. Raises :class:`InvalidDocument`.
    """
    try:
        record = _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidDocument(f"is no OSV record: {error}") from error
    ids = (record.id, *(record.aliases or ()))
    if record.withdrawn is not None or not any(one.startswith(_MALWARE) for one in ids):
        return []
    return list(_advisories(record))


def _advisories(record: _WireRecord) -> Iterator[tuple[str, Advisory]]:
    for affected in record.affected or ():
        package = affected.package
        if package is None or package.ecosystem.partition(":")[0] != _ECOSYSTEM:
            continue
        ranges = tuple(
            tuple(item for event in one.events for item in event.items())
            for one in affected.ranges or ()
            if one.type == "ECOSYSTEM"
        )
        name = normalize(package.name)
        if name is not None:
            yield name, Advisory(record.id, tuple(affected.versions or ()), ranges)
