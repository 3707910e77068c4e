"""The small document that the page asks for, for each pinned project."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_version

from yanksync.core.formats.html.page_writer import encode_utf8
from yanksync.core.withdrawals.web.standing import ProjectStanding, Withdrawn
from yanksync.core.withdrawals.web.text import iso, shortened, visible
from yanksync.core.withdrawals.web.words import WORDS, EventKind

_REASON = 500  # characters; the log has the whole text
_FILES = 20
_LONGEST = 256  # a longer text is no PEP 440 version


class PinRow(Struct, frozen=True, omit_defaults=True):
    """What the page shows of a withdrawn pin.

    All text can be seen (R10).
    """

    kind: EventKind
    what: str
    since: str
    installs: bool  # an exact pin still installs it
    reason: str = ""
    files: tuple[str, ...] = ()  # none: all


class PinsDocument(Struct, frozen=True):
    """All that is withdrawn of one project."""

    project: PinRow | None
    versions: dict[str, PinRow]  # by the shortest form of PEP 440, in lower case


def render_pins(standing: ProjectStanding) -> bytes:
    """Return ``withdrawn.json`` of a project."""
    document = PinsDocument(
        None if standing.project is None else _row(standing.project),
        {
            canonical_version(one.version): _row(one)
            for one in reversed(standing.versions)
            if one.version is not None
        },
    )
    return msgspec.json.encode(document)


def canonical_version(version: str) -> str:
    """Return the shortest form of a version.

    Equal texts are equal versions; the script makes the same of a pin.
    """
    if len(version) > _LONGEST:
        return _clean(version)
    return _clean(canonicalize_version(version))


def _clean(text: str) -> str:
    return encode_utf8(text.lower()).decode()


def _row(one: Withdrawn) -> PinRow:
    event = one.event
    words = WORDS[event.action]
    return PinRow(
        words.kind,
        words.done,
        iso(event.time),
        event.installable_by_pin,
        visible(shortened(event.reason or "", _REASON)),
        tuple(visible(name) for name in one.files[:_FILES]),
    )
