"""The fake upstream's database: what is true, what is served of it, backups of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from tests.support.fake_index.cdn import Cdn
from tests.support.fake_index.journal import Journal
from tests.support.fake_index.pages import Answer, Listing, Look, PageDict
from tests.support.fake_index.values import Row, StoredProject, normalise
from yanksync.core.model import JournalEntry

Writes = list[tuple[str | None, str]]  # (version, action)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a backup of the upstream's database holds."""

    projects: Mapping[str, StoredProject]
    rows: tuple[Row, ...]
    next_serial: int
    used: frozenset[str]
    clock: int


class Repository(Cdn):
    """The database; all that is written goes through :meth:`commit` and :meth:`raw_row`."""

    def __init__(self, *, user: str = "alice", clock: int = 1_700_000_000) -> None:
        super().__init__()
        self.user = user
        self.clock = clock  # UTC seconds; set it back and timestamps run backwards
        self.date: Callable[[], float] | None = None  # what the Date of answers says
        self.age = 0  # what their Age says
        self.tick = 1  # what each mutation adds to the clock
        self.files_url = "https://files.example/files/"
        # Spoils the JSON value of pages as they are served; what it returns is kept for each moment
        # of a project, so give another function for another result.
        self.doctor: Callable[[PageDict], PageDict] | None = None
        self._projects: dict[str, StoredProject] = {}
        self._journal = Journal()
        self._used: set[str] = set()  # file names are never free again
        self._answers: dict[str, Answer] = {}
        self._listing: Listing | None = None
        self._frozen_list: Listing | None = None

    # What is true

    @property
    def journal(self) -> list[JournalEntry]:
        """All rows; null names and actions are ""."""
        with self.lock:
            return self._journal.entries()

    @property
    def last_serial(self) -> int:
        """The newest row's serial, 0 on an empty journal."""
        return self._journal.last_serial

    def rows_since(self, serial: int) -> list[Row]:
        """Return what ``changelog_since_serial`` answers."""
        with self.lock:
            return self._journal.since(serial, self.page_limit)

    def all_names(self) -> list[str]:
        """Return the normalised names of all projects, sorted."""
        with self.lock:
            return sorted(self._projects)

    def names(self) -> list[str]:
        """Return the normalised names that ``/simple/`` has now: quarantined ones are left out."""
        return [name for name, _, _ in self.listing().entries]

    def displays(self) -> dict[str, int]:
        """Return what ``list_packages_with_serial`` answers: with quarantined ones."""
        with self.lock:
            shown = (p.display for p in self._projects.values())
            return {display: self._journal.page_serial(display) for display in shown}

    def project(self, name: str) -> StoredProject | None:
        """Return what is stored about a project."""
        return self._projects.get(normalise(name))

    def answer(self, name: str) -> Answer:
        """Return the true answer for ``name`` now; it stays as it is for ever."""
        key = normalise(name)
        with self.lock:
            if key not in self._answers:
                project = self._projects.get(key)
                serial = self._journal.page_serial(project.display) if project else 0
                self._answers[key] = Answer(key, project, serial)
            return self._answers[key]

    def truth(self, name: str) -> PageDict | None:
        """Return the JSON page as it truly is now, None for a 404."""
        return self.answer(name).page(self.look())

    def look(self) -> Look:
        """Return the settings that pages are rendered with; the doctor is for pages as served."""
        return Look(self.files_url, self.api_version, self.page_serials)

    def served_look(self) -> Look:
        """Return :meth:`look` with the doctor, who may spoil what is served."""
        return replace(self.look(), doctor=self.doctor)

    def listing(self) -> Listing:
        """Return the true list of projects now."""
        with self.lock:
            if self._listing is None:
                entries = (
                    (name, project.display, self._journal.page_serial(project.display))
                    for name, project in sorted(self._projects.items())
                    if project.status != "quarantined"
                )
                self._listing = Listing(tuple(entries), self.last_serial)
            return self._listing

    def served_listing(self) -> Listing:
        """Return the list as ``/simple/`` gives it: maybe an old one."""
        return self._frozen_list or self.listing()

    def freeze_list(self) -> None:
        """Keep serving the list of this moment, as the CDN does for half an hour."""
        self._frozen_list = self.listing()

    def thaw_list(self) -> None:
        """Serve the true list again."""
        self._frozen_list = None

    # Rows and backups

    def commit(
        self,
        key: str,
        project: StoredProject | None,
        writes: Writes,
        *,
        spelling: str = "",
    ) -> int:
        """Make ``project`` true and write the rows, all with one timestamp."""
        self._before[key] = self.answer(key)
        if project is None:
            del self._projects[key]
        else:
            self._projects[key] = project
            spelling = project.display
        for version, action in writes:
            serial = self._journal.next_serial
            self._journal.add(Row(spelling, version, self.clock, action, serial))
        self._changed(key, writes[-1][1] if writes else None)
        return self.last_serial

    def burn_serial(self, n: int = 1) -> int:
        """Leave a gap of ``n`` serials: a transaction was rolled back."""
        with self.lock:
            self._journal.next_serial += n
            return self.last_serial

    def raw_row(
        self,
        name: str | None,
        version: str | None,
        action: str | None,
        timestamp: int | None = None,
    ) -> int:
        """Write any row at all; a project of exactly this spelling gets its serial."""
        with self.lock:
            key = normalise(name or "")
            self._before[key] = self.answer(key)
            when = self.clock if timestamp is None else timestamp
            self._journal.add(Row(name, version, when, action, self._journal.next_serial))
            self._changed(key, action)
            return self.last_serial

    def snapshot(self) -> Snapshot:
        """Return a backup of the database."""
        with self.lock:
            journal = self._journal
            used = frozenset(self._used)
            rows = tuple(journal.rows)
            return Snapshot(dict(self._projects), rows, journal.next_serial, used, self.clock)

    def restore(self, snapshot: Snapshot) -> None:
        """Put the upstream back to a backup; serials will be given out again (design R14)."""
        with self.lock:
            self._projects = dict(snapshot.projects)
            self._journal = Journal(snapshot.rows, snapshot.next_serial)
            self._used = set(snapshot.used)
            self.clock = snapshot.clock
            self._forget()

    def replace_journal(self, rows: Iterable[Row | JournalEntry]) -> None:
        """Put other rows in place of all; projects stay as they are."""
        with self.lock:
            self._journal = Journal(
                r if isinstance(r, Row) else Row(r.name, r.version, r.timestamp, r.action, r.serial)
                for r in rows
            )
            self._forget()

    def _changed(self, key: str, action: str | None) -> None:
        self.clock += self.tick
        self._answers.pop(key, None)
        self._listing = None
        self.purge(key, action)

    def _forget(self) -> None:
        self._answers.clear()
        self._before.clear()
        self._listing = self._frozen_list = None
        self.cdn_clear()
