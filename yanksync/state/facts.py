"""Single facts of the state, in groups.

Each is read as one value and has one owner.
Each field is a row of the table ``meta``, under the name that ``rename`` gives it.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import JournalEntry
from yanksync.state.database import Database

OTHER_EPOCH = -1
"""As :attr:`Recovery.serial`: the output is of an upstream that was put back since."""

UNREAD, READ = "unread", "read"
"""As :attr:`Recovery.phase`: the output may be newer than the state, and upstream is still to be
read to its end; it was read, and only pending projects may still be newer in the output."""

NO_SERIAL = -1
"""As :attr:`PublishedListRecord.serial_writing`: a list without a serial is being written."""


class JournalPosition(Struct, frozen=True, rename={"not_before": "journal_not_before"}):
    """How far the journal was followed; ``sync/follow/journal.py`` has it."""

    cursor: int | None = None  # the serial up to which it is recorded; None: never followed
    cursor_row: str | None = None  # JSON of the entry there (R14); None: it is not known
    upstream_serial: int | None = None  # the newest serial that upstream has shown
    not_before: float | None = None  # the journal asked to be left alone until then


class ListPosition(Struct, frozen=True, rename=lambda field: f"list_{field}"):
    """What was read of upstream's list; ``sync/follow/project_list.py`` has it."""

    serial: int | None = None  # of the list that was compared with the state last
    etag: str | None = None
    older_since: float | None = None  # since then upstream's list has been older than that
    empty_since: float | None = None  # since then it has been empty
    below: str | None = None  # JSON of its rows that are older than what is held


class PublishedListRecord(Struct, frozen=True, rename=lambda field: f"list_{field}"):
    """The list of projects as we published it; ``sync/publish_list.py`` has it."""

    changed: bool = False  # it is to be written: its projects are others
    serials: bool = False  # it may be written: only serials in it are others
    written: float | None = None  # when it was; None: never
    serial_written: int | None = None  # that it carries
    serial_writing: int | None = None  # that of the one that was begun last, or NO_SERIAL
    stamp: str | None = None  # differs from that of any other list; empty: it was not there
    copies: str | None = None  # its compressed copies
    codecs: str | None = None  # of all copies that may be there, for hooks
    json: str | None = None  # digest of its JSON form
    legacy: str | None = None  # digest of the form for followers; None: it is not written


_RECOVERY = {"serial": "tree_serial", "phase": "catching_up", "survey_due": "unstocked"}
UNCHECKED, CHECKED = "unchecked", "checked"
"""Copies of an output that is not as the state left it: are those that the state has there? Once
they are known to be, others may be there, too."""


class Recovery(Struct, frozen=True, rename=_RECOVERY):
    """How the output may be newer than the state; ``sync/recovery/output_survey.py`` has it."""

    serial: int | None = None  # of the output; None: the state knows what is in it
    phase: str | None = None  # UNREAD or READ
    survey_due: bool = False  # the published pages are still to be noted
    copies: str | None = None  # UNCHECKED or CHECKED; None: the state knows them
    adopting: int | None = None  # how far ``adopt`` came with the tree of another program


def _of_journal(field: str) -> str:
    return "approve_journal" if field == "approved" else f"journal_{field}"


class ReplacedJournal(Struct, frozen=True, rename=_of_journal):
    """That upstream is another one (R14); ``sync/follow/upstream_change.py`` has it."""

    replaced: str | None = None  # what shows it; None: it is the one that was followed so far
    replaced_since: float | None = None
    seen: str | None = None  # JSON of what a person was shown of it
    seen_text: str | None = None
    approved: bool = False  # it may be followed


class SourceChoice(Struct, frozen=True, rename={"probed": "journal_probe"}):
    """Where changes are learnt from (R15); ``sync/follow/source_choice.py`` has it."""

    journal: str | None = None  # xmlrpc, listing or none
    refused: int | None = None  # passes in a row in which the journal was refused
    refused_since: float | None = None
    probed: float | None = None  # when a journal that was left was last asked whether it is back


def _of_selection(field: str) -> str:
    return "selection" if field == "listed" else f"selection_{field}"


class SelectionChange(Struct, frozen=True, rename=_of_selection):
    """Which projects are mirrored; ``sync/follow/selection_change.py`` has it."""

    listed: str | None = None  # the selection with which the list was read last
    applied: str | None = None  # the one that is mirrored
    wanted: str | None = None  # another one, of the configuration, that is not applied yet
    held: str | None = None  # why a person must approve that
    held_since: float | None = None
    approved: str | None = None  # the selection that was approved


class AdvisoryChange(Struct, frozen=True, rename=lambda field: f"advisories_{field}"):
    """Which advisories hide files; ``sync/policy/advisories.py`` has it."""

    digest: str | None = None  # of those that pages are rendered with
    stamp: str | None = None  # of their files
    places: str | None = None  # stamp of the configured paths themselves
    looked: float | None = None  # when many files were compared with ``stamp``; None: they are few
    wanted: str | None = None  # digest of others that are not applied yet
    held: str | None = None  # why a person must approve those
    held_since: float | None = None
    approved: str | None = None  # digest of those that were approved


class AppliedConfig(Struct, frozen=True, rename={"output": "place"}):
    """What was configured last; ``sync/config_changes.py`` has it."""

    output: str | None = None
    policy: str | None = None  # what the bytes of every page depend on
    simple_url: str | None = None  # what pip named
    sweep_days: int | None = None
    retention: str | None = None  # which files stay that upstream removed
    deleted_index: bool | None = None  # whether an index of these files is published
    withheld: str | None = None  # where copies are or were kept out of service, a place a line
    has_copies: bool | None = None  # of package files, or had until they were given up


class EventLogPosition(Struct, frozen=True, rename=lambda field: f"events_{field}"):
    """How far the log of withdrawals is published; ``sync/withdrawals/`` has it."""

    epoch: int | None = None  # when it was begun, UTC seconds; None: there is no log
    published: int | None = None  # the newest cursor in the output; None: all is to be written
    writing: int | None = None  # the newest cursor of what is being written
    settings: str | None = None  # what the files depend on, beside the events
    backlog: int | None = None  # newest row of the history when the log was begun
    archived: int | None = None  # the newest cursor in the archive of OSV records
    archived_at: float | None = None  # when that was written

    def is_archive_due(self, newest: int, now: float) -> bool:
        """Return whether the archive is to be written.

        It holds every record, so it waits longer the more events there are.
        """
        if self.archived == newest:
            return False
        waited = None if self.archived_at is None else now - self.archived_at
        return waited is None or not 0 <= waited < max(300.0, newest * 0.01)


class AppliedBundle(Struct, frozen=True, rename=lambda field: f"bundle_{field}"):
    """Which bundle the output was made of; ``bundle/apply.py`` has it."""

    source: str | None = None  # the mirror that it comes from; None: no bundle was applied
    cursor: int | None = None  # of the newest one that was applied to its end
    token: str | None = None  # of that one
    begun: str | None = None  # the token of one that was begun and is not finished
    made: float | None = None  # when the newest one was made, UTC seconds
    applied: float | None = None  # when it was applied


class PackageCheck(Struct, frozen=True, rename=lambda field: f"package_check_{field}"):
    """What checks of package files left to do; ``verify/`` has it."""

    position: int | None = None  # number of the copy that was read last; None: all were read
    received: str | None = None  # the same where bundles feed the output: the path of the file
    unreferenced: str | None = None  # digest of the files that a repair did not delete
    held: str | None = None  # why it did not
    held_since: float | None = None
    approved: str | None = None  # digest of the files that a person lets it delete


class UpstreamTraits(Struct, frozen=True):
    """What upstream is like; ``sync/follow/upstream_change.py`` has it."""

    serials: bool = False  # its pages have serials (R3)
    upload_times: bool = False  # a file has an upload-time
    undated: bool = False  # a page has files, and none has
    json: bool = False  # it has JSON forms, so that HTML is a fallback's (R15)
    followed_url: str | None = None  # its address
    other_url: str | None = None  # another address, of which it is not known whether it is the same


T = TypeVar("T", bound=Struct)


class _Group(Generic[T]):
    """The facts of one group as an attribute.

    Read when it is asked for, written when it is set.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    def __get__(self, facts: Facts, _: type[Facts]) -> T:
        return facts.read(self._kind)

    def __set__(self, facts: Facts, group: T) -> None:
        facts.write(group)


class Facts:
    """The table ``meta``; a missing fact is None or False."""

    journal = _Group(JournalPosition)
    upstream_list = _Group(ListPosition)
    published_list = _Group(PublishedListRecord)
    recovery = _Group(Recovery)
    replaced_journal = _Group(ReplacedJournal)
    source_choice = _Group(SourceChoice)
    selection = _Group(SelectionChange)
    advisories = _Group(AdvisoryChange)
    config = _Group(AppliedConfig)
    traits = _Group(UpstreamTraits)
    event_log = _Group(EventLogPosition)
    applied_bundle = _Group(AppliedBundle)
    package_check = _Group(PackageCheck)

    def __init__(self, db: Database) -> None:
        self._db = db

    def read(self, kind: type[T]) -> T:
        """Return the facts of one group."""
        keys = dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
        marks = ", ".join("?" * len(keys))
        rows = self._db.execute(f"SELECT key, value FROM meta WHERE key IN ({marks})", [*keys])
        return kind(**{keys[key]: value for key, value in rows})

    def change(self, kind: type[Struct], **changes: Any) -> None:
        """Set some facts of a group; the others stay."""
        self.write(replace(self.read(kind), **changes))

    def write(self, group: Struct) -> None:
        """Set all facts of a group."""
        known = self.read(type(group))
        for key, field in zip(group.__struct_encode_fields__, group.__struct_fields__, strict=True):
            value = getattr(group, field)
            if value != getattr(known, field):
                self.put(**{key: None if value is False else value})

    def number(self, key: str) -> int | None:
        """Return a whole number."""
        value = self._get(key)
        return None if value is None else int(value)

    def moment(self, key: str) -> float | None:
        """Return a time, UTC seconds."""
        value = self._get(key)
        return None if value is None else float(value)

    def text(self, key: str) -> str | None:
        """Return a text."""
        value = self._get(key)
        return None if value is None else str(value)

    def flag(self, key: str) -> bool:
        """Return whether a flag is set."""
        return bool(self._get(key))

    def _get(self, key: str) -> Any:
        row = self._db.first_row("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else row[0]

    def put(self, **facts: str | float | None) -> None:
        """Set facts that belong to no group; None removes one."""
        for key, value in facts.items():
            if value is None:
                self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def cursor(self) -> int | None:
        """The cursor of the journal; None before the first run."""
        return self.journal.cursor

    @property
    def cursor_row(self) -> JournalEntry | None:
        """The journal's row at the cursor; None: unknown (R14)."""
        text = self.journal.cursor_row
        return None if text is None else msgspec.json.decode(text, type=JournalEntry)

    @property
    def followed_serial(self) -> int | None:
        """The cursor of the journal, or the serial of the list."""
        by_journal = self.source_choice.journal == "xmlrpc"
        return self.cursor if by_journal else self.upstream_list.serial

    def move_cursor(self, serial: int, row: JournalEntry | None) -> None:
        """Set the cursor, with its row if known."""
        text = None if row is None else msgspec.json.encode(row).decode()
        self.change(JournalPosition, cursor=serial, cursor_row=text)
        self.see_serial(serial)

    @property
    def lag_serials(self) -> int | None:
        """How many serials upstream is ahead of what is published."""
        newest, complete = self.journal.upstream_serial, self.number("complete_serial")
        return None if newest is None or complete is None else max(newest - complete, 0)

    def see_serial(self, serial: int | None) -> None:
        """Remember the newest serial that upstream has shown."""
        if serial is not None and serial > (self.journal.upstream_serial or -1):
            self.change(JournalPosition, upstream_serial=serial)
