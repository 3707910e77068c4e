"""Single facts of the state, in groups.

Each group is read as one value, and one module owns it. Each field is a row of the table ``meta``,
with the name from ``rename``.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import JournalEntry
from yanksync.state.sqlite.database import Database

OTHER_EPOCH = -1
"""As :attr:`Recovery.serial`: the output is of an upstream that was put back since."""

UNREAD, READ = "unread", "read"
"""As :attr:`Recovery.phase`. In both, the output may be newer than the state.

UNREAD: upstream is still to be read to its end. READ: upstream was read to its end, and only
pending projects may still be newer in the output."""

NO_SERIAL = -1
"""As :attr:`PublishedListRecord.serial_writing`: a list without a serial is being written."""


class JournalPosition(Struct, frozen=True, rename={"not_before": "journal_not_before"}):
    """How far the journal was followed; owner: ``sync/follow/journal.py``."""

    cursor: int | None = None  # the serial up to which it is recorded; None: never followed
    cursor_row: str | None = None  # JSON of the entry there (R14); None: it is not known
    upstream_serial: int | None = None  # the newest serial that upstream has shown
    not_before: float | None = None  # the journal asked for a pause until then


class ListPosition(Struct, frozen=True, rename=lambda field: f"list_{field}"):
    """Facts about upstream's list; owner: ``sync/follow/project_list.py``."""

    serial: int | None = None  # of the last list that was compared with the state
    etag: str | None = None
    older_since: float | None = None  # since then upstream's list has been older
    empty_since: float | None = None  # since then the list has been empty
    below: str | None = None  # JSON of its rows that are older than held pages


class PublishedListRecord(Struct, frozen=True, rename=lambda field: f"list_{field}"):
    """The published list of projects; owner: ``sync/publish_list.py``."""

    changed: bool = False  # it must be written: its projects have changed
    serials: bool = False  # it may be written: only serials have changed
    written: float | None = None  # when it was written; None: never
    serial_written: int | None = None  # serial of the written list
    serial_writing: int | None = None  # serial of the last begun list, or NO_SERIAL
    stamp: str | None = None  # identifies the list; empty: it was missing
    copies: str | None = None  # its compressed copies
    codecs: str | None = None  # codecs of all possible copies, for hooks
    json: str | None = None  # digest of its JSON form
    legacy: str | None = None  # digest of the form for followers; None: not written


_RECOVERY = {"serial": "tree_serial", "phase": "catching_up", "survey_due": "unstocked"}
UNCHECKED, CHECKED = "unchecked", "checked"
"""Copies of an output that is not as the state left it: are they those of the state? Once
they are known to be, others may be there, too."""


class Recovery(Struct, frozen=True, rename=_RECOVERY):
    """How the output may be newer; owner: ``sync/recovery/output_survey.py``."""

    serial: int | None = None  # of the output; None: the state knows the output
    phase: str | None = None  # UNREAD or READ
    survey_due: bool = False  # the published pages must still be noted
    copies: str | None = None  # UNCHECKED or CHECKED; None: the state knows them
    adopting: int | None = None  # how far ``adopt`` came with another program's tree


def _of_journal(field: str) -> str:
    return "approve_journal" if field == "approved" else f"journal_{field}"


class ReplacedJournal(Struct, frozen=True, rename=_of_journal):
    """Another upstream (R14); owner: ``sync/follow/upstream_change.py``."""

    replaced: str | None = None  # the sign of it; None: upstream is the followed one
    replaced_since: float | None = None
    seen: str | None = None  # JSON of the facts that a person was shown
    seen_text: str | None = None
    approved: bool = False  # a person has approved it


class SourceChoice(Struct, frozen=True, rename={"probed": "journal_probe"}):
    """The source of changes (R15); owner: ``sync/follow/source_choice.py``."""

    journal: str | None = None  # xmlrpc, listing or none
    refused: int | None = None  # passes in a row that found the journal refused
    refused_since: float | None = None
    probed: float | None = None  # when a journal out of use was last tried


def _of_selection(field: str) -> str:
    return "selection" if field == "listed" else f"selection_{field}"


class SelectionChange(Struct, frozen=True, rename=_of_selection):
    """The selection; owner: ``sync/follow/selection_change.py``."""

    listed: str | None = None  # the selection at the last read of the list
    applied: str | None = None  # the selection in force
    wanted: str | None = None  # a configured selection that is not in force yet
    held: str | None = None  # why a person must approve ``wanted``
    held_since: float | None = None
    approved: str | None = None  # the selection that was approved


class AdvisoryChange(Struct, frozen=True, rename=lambda field: f"advisories_{field}"):
    """The advisories; owner: ``sync/policy/advisories.py``."""

    digest: str | None = None  # of the advisories in force
    stamp: str | None = None  # of their files
    places: str | None = None  # stamp of the configured paths
    looked: float | None = None  # when many files were last compared; None: they are few
    wanted: str | None = None  # digest of advisories that are not in force yet
    held: str | None = None  # why a person must approve ``wanted``
    held_since: float | None = None
    approved: str | None = None  # digest of approved advisories


class AppliedConfig(Struct, frozen=True, rename={"output": "place"}):
    """The last configuration; owner: ``sync/config_changes.py``."""

    output: str | None = None
    policy: str | None = None  # settings on which the bytes of every page depend
    simple_url: str | None = None  # the index that pip named
    sweep_days: int | None = None
    retention: str | None = None  # policy for files that upstream removed
    deleted_index: bool | None = None  # an index of these files is published
    withheld: str | None = None  # places of copies out of service, also earlier ones, as lines
    has_copies: bool | None = None  # there are copies, or were until they were given up


class EventLogPosition(Struct, frozen=True, rename=lambda field: f"events_{field}"):
    """How far the log of withdrawals is; owner: ``sync/withdrawals/``."""

    epoch: int | None = None  # when it was begun, UTC seconds; None: there is no log
    published: int | None = None  # the newest cursor in the output; None: write everything
    writing: int | None = None  # the newest cursor of the files that are being written
    settings: str | None = None  # settings that the files depend on
    backlog: int | None = None  # newest row of the history when the log began
    archived: int | None = None  # the newest cursor in the archive of OSV records
    archived_at: float | None = None  # when the archive was written
    archive_digest: str | None = None  # of its bytes, in hexadecimal

    def is_archive_due(self, newest: int, now: float) -> bool:
        """Return whether the archive is due.

        It has every record, so it waits longer if there are more events.
        """
        if self.archived == newest:
            return False
        waited = None if self.archived_at is None else now - self.archived_at
        return waited is None or not 0 <= waited < max(300.0, newest * 0.01)


class AppliedBundle(Struct, frozen=True, rename=lambda field: f"bundle_{field}"):
    """The bundle that the output was made of; owner: ``bundle/apply.py``."""

    source: str | None = None  # the mirror of the bundle; None: no bundle was applied
    cursor: int | None = None  # of the newest bundle that was applied in full
    token: str | None = None  # of the same bundle
    begun: str | None = None  # token of a bundle that was begun but not finished
    begun_cursor: int | None = None  # of that bundle
    begun_made: float | None = None  # UTC seconds: when that bundle was made
    made: float | None = None  # UTC seconds: when the newest bundle was made
    applied: float | None = None  # UTC seconds: when it was applied


class PackageCheck(Struct, frozen=True, rename=lambda field: f"package_check_{field}"):
    """What checks of package files left to do; ``verify/`` has it."""

    position: int | None = None  # number of the last copy read; None: all were read
    received: str | None = None  # the same where bundles feed the output: the path of the file
    unreferenced: str | None = None  # digest of files that a repair did not delete
    held: str | None = None  # why it did not delete them
    held_since: float | None = None
    approved: str | None = None  # digest of files that a person approved for deletion


class UpstreamTraits(Struct, frozen=True):
    """Traits of upstream; owner: ``sync/follow/upstream_change.py``."""

    serials: bool = False  # its pages have serials (R3)
    upload_times: bool = False  # a file has an upload-time
    undated: bool = False  # a page has files, and none has an upload-time
    json: bool = False  # it has JSON forms, so HTML is a fallback's (R15)
    followed_url: str | None = None  # its address
    other_url: str | None = None  # another address: it is not known yet if it is the same


T = TypeVar("T", bound=Struct)


class _Group(Generic[T]):
    """The facts of one group as an attribute.

    It is read on access, and written when it is set.
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
        """The cursor of the journal; None: before the first run."""
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
        """How many serials upstream is ahead of the published pages."""
        newest, complete = self.journal.upstream_serial, self.number("complete_serial")
        return None if newest is None or complete is None else max(newest - complete, 0)

    def see_serial(self, serial: int | None) -> None:
        """Remember the newest serial that upstream has shown."""
        if serial is not None and serial > (self.journal.upstream_serial or -1):
            self.change(JournalPosition, upstream_serial=serial)
