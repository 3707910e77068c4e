"""Stage 1: decides what journal entries ask for (pure).

An entry only says "look at that project again" (R5); only the page says what is true.
The rules kept here:

* order comes from serials alone, never from timestamps (R4);
* every entry asks for a look except the known inert ones, there is no closed list of verbs (R5);
* ``remove project`` and ``project quarantined`` as a project's newest entry withdraw it at once;
* names that are no valid project name are counted and skipped;
* the first row from ``cursor - 1`` must be the row at the cursor (R14).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from yanksync.core.errors import JournalReplaced
from yanksync.core.model import HistoryAction, JournalEntry
from yanksync.core.names import NormalizedName, normalize


class EntryKind(StrEnum):
    """What an entry is about, for the later steps."""

    INERT = "inert"  # changes no page
    ROLE = "role"  # inert for a project that the state holds
    OTHER_CHANGE = "look"  # the page may have changed
    CREATE = "create"
    NEW_RELEASE = "new release"
    YANK = "yank"
    UNYANK = "unyank"
    REMOVE_FILE = "remove file"
    REMOVE_RELEASE = "remove release"
    REMOVE_PROJECT = "remove project"
    QUARANTINE_RELEASE = "quarantine release"
    UNQUARANTINE_RELEASE = "clear release"
    QUARANTINE_PROJECT = "quarantine project"
    UNQUARANTINE_PROJECT = "clear project"


WITHDRAWN_AT_ONCE = frozenset({EntryKind.REMOVE_PROJECT, EntryKind.QUARANTINE_PROJECT})
"""As a project's newest entry, these withdraw it before its page is asked for."""

_WITHDRAWALS = WITHDRAWN_AT_ONCE | {
    EntryKind.YANK,
    EntryKind.REMOVE_FILE,
    EntryKind.REMOVE_RELEASE,
    EntryKind.QUARANTINE_RELEASE,
}

_REMOVALS = frozenset(
    {
        EntryKind.REMOVE_FILE,
        EntryKind.REMOVE_RELEASE,
        EntryKind.REMOVE_PROJECT,
        EntryKind.QUARANTINE_RELEASE,
        EntryKind.QUARANTINE_PROJECT,
    }
)

HISTORY_ACTIONS = {
    EntryKind.YANK: HistoryAction.YANK,
    EntryKind.UNYANK: HistoryAction.UNYANK,
    EntryKind.REMOVE_FILE: HistoryAction.REMOVE,
    EntryKind.REMOVE_RELEASE: HistoryAction.REMOVE,
    EntryKind.REMOVE_PROJECT: HistoryAction.REMOVE,
    EntryKind.QUARANTINE_RELEASE: HistoryAction.QUARANTINE,
    EntryKind.QUARANTINE_PROJECT: HistoryAction.QUARANTINE,
    EntryKind.UNQUARANTINE_RELEASE: HistoryAction.UNQUARANTINE,
    EntryKind.UNQUARANTINE_PROJECT: HistoryAction.UNQUARANTINE,
    EntryKind.CREATE: HistoryAction.RETURN,
    EntryKind.NEW_RELEASE: HistoryAction.RETURN,
}
"""Which kinds enter the history; the two returns only for what was withdrawn before."""

# Warehouse's role verbs, and those of pypi/legacy.
_ROLE = r"(add|accepted|invite|revoke_invite|change|remove) (Owner|Maintainer) "
_INERT = frozenset({"docupdate", "docdestroy", "keyrotate "})

_PROJECT_KINDS = {
    "create": EntryKind.CREATE,
    "remove": EntryKind.REMOVE_PROJECT,
    "remove project": EntryKind.REMOVE_PROJECT,
    "project quarantined": EntryKind.QUARANTINE_PROJECT,
    "project quarantine cleared": EntryKind.UNQUARANTINE_PROJECT,
}
_RELEASE_KINDS = {
    "new release": EntryKind.NEW_RELEASE,
    "yank release": EntryKind.YANK,
    "unyank release": EntryKind.UNYANK,
    "remove": EntryKind.REMOVE_RELEASE,
    "remove release": EntryKind.REMOVE_RELEASE,
    "release quarantined": EntryKind.QUARANTINE_RELEASE,
    "release quarantine cleared": EntryKind.UNQUARANTINE_RELEASE,
}
_FILE = "remove file "


class JournalEvent(Struct, frozen=True, gc=False):
    """A journal entry about a project that is mirrored, classified."""

    name: NormalizedName
    kind: EntryKind
    entry: JournalEntry

    @property
    def file(self) -> str | None:
        """The removed file, for an entry that removes just one."""
        return self.entry.action[len(_FILE) :] if self.kind is EntryKind.REMOVE_FILE else None

    @property
    def removes(self) -> bool:
        """Whether files may be missing after this entry (R7)."""
        return self.kind in _REMOVALS


class ProjectMark(Struct, frozen=True, gc=False):
    """A pending project, with the serial that its page must reach."""

    name: NormalizedName
    required_serial: int  # the serial of its newest page-changing entry
    kind: EntryKind  # of that entry
    urgent: bool  # a withdrawal is among its entries
    quarantine: int | None = None  # the serial of its last quarantine, if not ended


class JournalBatch(Struct, frozen=True):
    """The result of one answer of the journal."""

    cursor: JournalEntry | None  # the last row; None: there was no new one
    events: tuple[
        JournalEvent, ...
    ]  # oldest first; only entries for the history, without inert ones
    marks: tuple[ProjectMark, ...]  # one for each project
    skipped: int  # rows whose name is no valid project name


def classify(entry: JournalEntry) -> EntryKind:
    """Return what ``entry`` is about.

    An unknown verb is :attr:`EntryKind.OTHER_CHANGE`. Release verbs count only with a version, and
    project verbs only without one. The reason: a team may be called ``release``, so
    ``remove Owner release`` must not be read as the removal of a release.
    """
    action = entry.action
    if entry.version is None:
        if action in _INERT:
            return EntryKind.INERT
        if re.match(_ROLE, action):
            return EntryKind.ROLE
        return _PROJECT_KINDS.get(action, EntryKind.OTHER_CHANGE)
    if action in _INERT:
        return EntryKind.INERT
    if action.startswith(_FILE):
        return EntryKind.REMOVE_FILE
    return _RELEASE_KINDS.get(action, EntryKind.OTHER_CHANGE)


def mirrored_names(
    entries: Iterable[JournalEntry], selects: Callable[[NormalizedName], bool]
) -> tuple[NormalizedName, ...]:
    """Return the mirrored projects that ``entries`` name, each once."""
    names = dict.fromkeys(_valid(entries).values())
    return tuple(name for name in names if selects(name))


def _valid(entries: Iterable[JournalEntry]) -> dict[str, NormalizedName]:
    """Return the normalised name of each valid spelling."""
    spellings = dict.fromkeys(entry.name for entry in entries)  # far fewer than entries
    return {raw: name for raw in spellings if (name := normalize(raw)) is not None}


def interpret(
    entries: Sequence[JournalEntry],
    selects: Callable[[NormalizedName], bool],
    held: Collection[str],
) -> JournalBatch:
    """Turn journal rows, in order, into pending projects and events.

    ``selects`` says whether a project is mirrored. ``held`` are the named projects that have a page
    in the state; rows about roles are inert for them (R5).
    """
    names = _valid(entries)
    skipped = sum(entry.name not in names for entry in entries)
    names = {raw: name for raw, name in names.items() if selects(name)}
    events: list[JournalEvent] = []
    newest: dict[NormalizedName, JournalEvent] = {}
    urgent: set[NormalizedName] = set()
    quarantined: dict[NormalizedName, int] = {}
    for entry in entries:
        name = names.get(entry.name)
        if name is None:
            continue
        kind = classify(entry)
        if kind is EntryKind.INERT or (kind is EntryKind.ROLE and name in held):
            continue
        newest[name] = event = JournalEvent(name, kind, entry)
        events.append(event)
        if kind in _WITHDRAWALS:
            urgent.add(name)
        if kind is EntryKind.QUARANTINE_PROJECT:
            quarantined[name] = entry.serial
        elif kind in (EntryKind.UNQUARANTINE_PROJECT, EntryKind.REMOVE_PROJECT):
            quarantined.pop(name, None)
    marks = tuple(
        ProjectMark(name, last.entry.serial, last.kind, name in urgent, quarantined.get(name))
        for name, last in newest.items()
    )
    return JournalBatch(entries[-1] if entries else None, tuple(events), marks, skipped)


def check_continuity(rows: Sequence[JournalEntry], cursor: int, known: JournalEntry | None) -> None:
    """Check that the journal still has the row at the cursor (R14).

    ``rows`` are the rows from ``cursor - 1`` on. ``known`` is the row at the cursor that was read
    before. None means that only its serial is known, because the cursor came from a list. A cursor
    of 0 is the start of an empty journal and has no row. Raises :class:`JournalReplaced`.
    """
    if cursor <= 0:
        return
    if not rows:
        raise JournalReplaced(cursor, "it ends before that serial")
    first = rows[0]
    if known is None:
        if first.serial < cursor:  # a gap at the cursor proves nothing
            raise JournalReplaced(cursor, f"it answers with serial {first.serial}")
        return
    if first.serial != cursor:
        raise JournalReplaced(cursor, f"it has {first.serial} in its place")
    if (first.name, first.action) != (known.name, known.action):
        raise JournalReplaced(
            cursor,
            f"it says {first.action!r} of {first.name!r}, not {known.action!r} of {known.name!r}",
        )
