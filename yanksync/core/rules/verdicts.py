"""Judges one answer of upstream about a project (R3, R7).

An answer is compared with the state, the journal and the list. The result is a verdict, which the
state then records. Later, a guard judges all removals of the pass together
(:mod:`yanksync.core.rules.removal_guard`).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from yanksync.core.model import Page, ProjectStatus
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import EntryKind, JournalEvent
from yanksync.core.rules.known_project import ProjectRow


class Expectation(Struct, frozen=True, kw_only=True):
    """Why a project's page is fetched."""

    # The serial that its page must reach; None: any answer is enough.
    required_serial: int | None = None
    unconfirmed: str | None = None  # what an earlier pass saw, but did not believe
    behind: bool = False  # the same answer came for longer than a CDN keeps it


class PageFound(Struct, frozen=True, kw_only=True):
    """A page was answered."""

    page: Page


class NotModified(Struct, frozen=True):
    """304: the page is the held one."""


class PageMissing(Struct, frozen=True):
    """404: upstream says that there is no such page."""


class Accept(Struct, frozen=True):
    """The page is valid and not older than the held one."""

    page: Page
    reached: bool  # False: it is still below the serial to reach, so the project stays pending


class Confirm(Struct, frozen=True):
    """The page in the state is still right."""


class Removed(Struct, frozen=True):
    """The project is no longer there."""

    explained: bool


class StaleAnswer(Struct, frozen=True):
    """The answer is older than the held page (R3)."""

    why: str


class Unconfirmed(Struct, frozen=True):
    """A 404 without explanation, to be confirmed by a later pass (R7)."""

    seen: str  # a later :attr:`Expectation.unconfirmed` must equal this
    why: str


class NeverExisted(Struct, frozen=True):
    """Upstream has never had the project."""


Verdict = Accept | Confirm | Removed | StaleAnswer | Unconfirmed | NeverExisted

_WITHDRAWN = (EntryKind.QUARANTINE_PROJECT, EntryKind.REMOVE_PROJECT)


def judge_answer(
    known: ProjectRow,
    expected: Expectation,
    answer: PageFound | NotModified | PageMissing,
    *,
    serials: bool,
    events: Sequence[JournalEvent] = (),
) -> Verdict:
    """Return what ``answer`` means.

    ``serials``: upstream is known to give pages serials. ``events``: the project's removals and
    quarantines after the held serial, if the page is missing.
    """
    if isinstance(answer, PageMissing):
        return _judge_missing(known, expected, events)
    if isinstance(answer, NotModified):
        return _judge_not_modified(known, expected)
    return _judge_page(known, expected, answer.page, serials)


def _judge_not_modified(known: ProjectRow, expected: Expectation) -> Verdict:
    if known.serial is not None and known.serial < known.floor:
        return StaleAnswer(
            f"the page is still at serial {known.serial}, below {known.floor}, published"
        )
    if (
        expected.required_serial is not None
        and known.serial is not None
        and known.serial < expected.required_serial
    ):
        return StaleAnswer(
            f"the page is still at serial {known.serial}, the journal at {expected.required_serial}"
        )
    return Confirm()


def _judge_page(known: ProjectRow, expected: Expectation, page: Page, serials: bool) -> Verdict:
    if page.serial is None:
        # the published one has
        if serials or (known.is_only_published and known.serial and not expected.behind):
            return StaleAnswer("the page has no serial, though upstream gives them")
        if known.entry_kind in _WITHDRAWN and page.files:
            # Nothing shows that the page is newer than that.
            return StaleAnswer(
                f"the page has no serial, and the journal says last: {known.entry_kind}"
            )
    else:
        if page.serial < known.floor:
            return StaleAnswer(f"the page is at serial {page.serial}, below the held {known.floor}")
        if known.presence is Presence.REMOVED and page.serial == known.serial:
            return StaleAnswer(
                f"the page is at serial {page.serial}, that of the project's removal"
            )
    if (
        known.quarantine_serial is not None
        and page.serial is not None
        and page.serial < known.quarantine_serial
    ):
        return StaleAnswer(
            f"the page is at serial {page.serial}, the quarantine at {known.quarantine_serial}"
        )
    if _says_nothing(known, page):
        return NeverExisted()
    if _contradicts_list(known, page) and not (expected.behind and known.is_only_published):
        return StaleAnswer(
            f"the page is at serial {page.serial}; the list at {known.omitted_at_serial} leaves it "
            f"out"
        )
    return Accept(
        page,
        expected.required_serial is None
        or page.serial is None
        or page.serial >= expected.required_serial,
    )


def _says_nothing(known: ProjectRow, page: Page) -> bool:
    """Return whether the page may mean that no project exists.

    Indexes such as Nexus answer every name with an empty page.
    """
    unheld = known.presence in (Presence.NEW, Presence.UNKNOWN) and not known.is_only_published
    return unheld and not page.files and page.serial is None and page.status == ProjectStatus.ACTIVE


def _contradicts_list(known: ProjectRow, page: Page) -> bool:
    """Return whether a page with files contradicts an equally new list.

    In that case the project was quarantined or removed while the state was lost, and the page is
    older.
    """
    if known.presence is not Presence.NEW or known.omitted_at_serial is None or page.serial is None:
        return False
    return page.serial <= known.omitted_at_serial and bool(page.files)


def _judge_missing(
    known: ProjectRow, expected: Expectation, events: Sequence[JournalEvent]
) -> Verdict:
    if known.presence is Presence.REMOVED and known.entry_kind in (None, EntryKind.REMOVE_PROJECT):
        return _still_gone(known, expected)
    if known.entry_kind is EntryKind.REMOVE_PROJECT and not _seen_since(known):
        return Removed(explained=True)
    if _list_explains(known, events):
        return Confirm() if known.presence is Presence.REMOVED else Removed(explained=True)
    if known.entry_kind is not None:
        return StaleAnswer(
            f"404, but the newest entry of the journal is {known.entry_kind} ({known.entry_serial})"
        )
    if known.presence is Presence.UNKNOWN and not known.is_only_published:
        return NeverExisted()
    if expected.required_serial is not None:
        return StaleAnswer("404, but the list of projects has it")
    if known.presence is Presence.NEW and not known.is_only_published:
        return NeverExisted()
    seen = "404"
    if expected.unconfirmed != seen:
        return Unconfirmed(seen, "404, and nothing explains it")
    return Removed(explained=False)


def _still_gone(project: ProjectRow, expected: Expectation) -> Verdict:
    """Judge a 404 of a project that is known to be removed."""
    known = (project.serial, project.entry_serial)
    removed_at = max((serial for serial in known if serial is not None), default=None)
    if (
        expected.required_serial is not None
        and removed_at is not None
        and expected.required_serial > removed_at
    ):
        return StaleAnswer(
            f"404, but the list of projects has it again, at {expected.required_serial}"
        )
    return Confirm()


def _seen_since(known: ProjectRow) -> bool:
    """Return whether a page came after the newest entry.

    In that case the journal has not been read up to that page yet.
    """
    present = known.presence is Presence.PRESENT or known.is_only_published
    return present and known.floor > (known.entry_serial or 0)


def _list_explains(known: ProjectRow, events: Sequence[JournalEvent]) -> bool:
    # If a list is older than the facts about the project, it proves nothing by leaving it out.
    if known.omitted_at_serial is None:
        return False
    if known.quarantine_serial is not None or _quarantined_since(known, events):
        return False  # lists never have quarantined projects
    if known.presence is Presence.PRESENT and known.serial == 0:
        return False  # from before upstream was replaced: the new one never had it (R14)
    return known.omitted_at_serial >= max(known.floor, known.entry_serial or 0)


def _quarantined_since(known: ProjectRow, events: Sequence[JournalEvent]) -> bool:
    """Return whether a quarantine began after the held page and lasts."""
    if known.entry_kind is EntryKind.QUARANTINE_PROJECT:
        return True
    ends = (EntryKind.QUARANTINE_PROJECT, EntryKind.UNQUARANTINE_PROJECT, EntryKind.REMOVE_PROJECT)
    kinds = [event.kind for event in events if event.kind in ends]
    return kinds[-1:] == [EntryKind.QUARANTINE_PROJECT]
