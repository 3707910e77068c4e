"""Pure: what one answer of upstream means for a project (rules R3 and R7).

An answer is weighed against what the state holds and what the journal and the list have said. What
comes out is a verdict; recording it is the state's work, and whether a removal may be published is
judged later, over the whole pass (:mod:`yanksync.core.rules.removal_guard`).
"""

from __future__ import annotations

from msgspec import Struct

from yanksync.core.model import Page, Status
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import Event, Kind


class Held(Struct, frozen=True, kw_only=True):
    """What the state holds of a project, as far as weighing needs it."""

    name: NormalizedName
    presence: Presence = Presence.NEW
    serial: int | None = None  # of the held page, or the tombstone of a removed project
    floor: int | None = None  # of the published page, or ``serial`` where that is higher
    stands: bool = False  # a page is published that the state never held
    entry: Kind | None = None  # its newest page-changing entry
    entry_serial: int | None = None
    events: tuple[Event, ...] = ()  # its removals and quarantines after the held serial
    listed_at: int | None = None  # serial of the list that left it out; None: none did
    word: int | None = None  # the entry that quarantined it before its page was seen (R9)


class Want(Struct, frozen=True, kw_only=True):
    """Why a project is looked at."""

    reach: int | None = None  # the serial that its page must reach; None: any answer will do
    doubt: str | None = None  # what an earlier pass saw and did not believe
    behind: bool = False  # the same answer came for longer than a CDN keeps it


class Found(Struct, frozen=True, kw_only=True):
    """A page was answered."""

    page: Page


class NotModified(Struct, frozen=True):
    """304: the page is the held one."""


class Missing(Struct, frozen=True):
    """404: there is no such page, or so it says."""


class Record(Struct, frozen=True):
    """The page is true and newer than, or the same as, what is held: record it."""

    page: Page
    reached: bool  # False: it is still below the serial to reach, so the project stays pending


class Keep(Struct, frozen=True):
    """What is held is still true."""


class Gone(Struct, frozen=True):
    """The project is no longer there."""

    explained: bool


class Stale(Struct, frozen=True):
    """The answer is older than what is known; nothing is taken from it (R3)."""

    why: str


class Doubt(Struct, frozen=True):
    """Nothing explains that the project is missing; a later pass must see the same (R7)."""

    seen: str  # what :attr:`Want.doubt` must equal then
    why: str


class Absent(Struct, frozen=True):
    """Upstream does not have it and, as far as is known, never had."""


Verdict = Record | Keep | Gone | Stale | Doubt | Absent

_WITHDRAWN = (Kind.QUARANTINE_PROJECT, Kind.REMOVE_PROJECT)


def weigh(
    held: Held, want: Want, answer: Found | NotModified | Missing, *, serials: bool
) -> Verdict:
    """Return what ``answer`` means; ``serials``: upstream is known to give pages serials."""
    if isinstance(answer, Missing):
        return _missing(held, want)
    if isinstance(answer, NotModified):
        return _same(held, want)
    return _found(held, want, answer.page, serials)


def _same(held: Held, want: Want) -> Verdict:
    if held.serial is not None and held.serial < (held.floor or 0):
        return Stale(f"the page is still at serial {held.serial}, below {held.floor}, published")
    if want.reach is not None and held.serial is not None and held.serial < want.reach:
        return Stale(f"the page is still at serial {held.serial}, the journal at {want.reach}")
    return Keep()


def _found(held: Held, want: Want, page: Page, serials: bool) -> Verdict:
    if page.serial is None:
        if serials or (held.stands and held.serial and not want.behind):  # the published one has
            return Stale("the page has no serial, though upstream gives them")
        if held.entry in _WITHDRAWN and page.files:
            # Nothing shows that the page is from after that.
            return Stale(f"the page has no serial, and the journal says last: {held.entry}")
    else:
        floor = max(held.serial or 0, held.floor or 0)
        if page.serial < floor:
            return Stale(f"the page is at serial {page.serial}, below the held {floor}")
        if held.presence is Presence.GONE and page.serial == held.serial:
            return Stale(f"the page is at serial {page.serial}, that of the project's removal")
    if held.word is not None and page.serial is not None and page.serial < held.word:
        return Stale(f"the page is at serial {page.serial}, the quarantine at {held.word}")
    if _says_nothing(held, page):
        return Absent()
    if _contradicts_list(held, page) and not (want.behind and held.stands):
        return Stale(
            f"the page is at serial {page.serial}; the list at {held.listed_at} leaves it out"
        )
    return Record(page, want.reach is None or page.serial is None or page.serial >= want.reach)


def _says_nothing(held: Held, page: Page) -> bool:
    """Whether the page may just as well stand for a project that there is not.

    Indexes such as Nexus answer every name with an empty page.
    """
    unheld = held.presence in (Presence.NEW, Presence.UNKNOWN) and not held.stands
    return unheld and not page.files and page.serial is None and page.status == Status.ACTIVE


def _contradicts_list(held: Held, page: Page) -> bool:
    """Whether a list as new leaves out a project that is not known, and whose page has files.

    It was quarantined or removed while the state was lost, and the page is from before that.
    """
    if held.presence is not Presence.NEW or held.listed_at is None or page.serial is None:
        return False
    return page.serial <= held.listed_at and bool(page.files)


def _missing(held: Held, want: Want) -> Verdict:
    if held.presence is Presence.GONE and held.entry in (None, Kind.REMOVE_PROJECT):
        return _still_gone(held, want)
    if held.entry is Kind.REMOVE_PROJECT and not _seen_since(held):
        return Gone(explained=True)
    if _list_explains(held):
        return Keep() if held.presence is Presence.GONE else Gone(explained=True)
    if held.entry is not None:
        return Stale(
            f"404, but the newest entry of the journal is {held.entry} ({held.entry_serial})"
        )
    if held.presence is Presence.UNKNOWN and not held.stands:
        return Absent()
    if want.reach is not None:
        return Stale("404, but the list of projects has it")
    if held.presence is Presence.NEW and not held.stands:
        return Absent()
    seen = "404"
    if want.doubt != seen:
        return Doubt(seen, "404, and nothing explains it")
    return Gone(explained=False)


def _still_gone(held: Held, want: Want) -> Verdict:
    """Weigh a 404 of a project whose removal is the newest that is known, a list perhaps aside."""
    known = (held.serial, held.entry_serial)
    removed_at = max((serial for serial in known if serial is not None), default=None)
    if want.reach is not None and removed_at is not None and want.reach > removed_at:
        return Stale(f"404, but the list of projects has it again, at {want.reach}")
    return Keep()


def _seen_since(held: Held) -> bool:
    """Whether a page came after the newest entry: the journal is not read up to that page yet."""
    present = held.presence is Presence.PRESENT or held.stands
    newest = max(held.serial or 0, held.floor or 0)
    return present and newest > (held.entry_serial or 0)


def _list_explains(held: Held) -> bool:
    # A list older than what is known of the project proves nothing by leaving it out.
    if held.listed_at is None:
        return False
    if held.word is not None or _quarantined_since(held):
        return False  # no list has quarantined projects
    if held.presence is Presence.PRESENT and held.serial == 0:
        return False  # it is from before upstream was replaced: this one never had it (R14)
    newest = max(held.serial or 0, held.floor or 0, held.entry_serial or 0)
    return held.listed_at >= newest


def _quarantined_since(held: Held) -> bool:
    """Whether the held page is followed by a quarantine, whatever came after that but its end."""
    if held.entry is Kind.QUARANTINE_PROJECT:
        return True
    ends = (Kind.QUARANTINE_PROJECT, Kind.CLEAR_PROJECT, Kind.REMOVE_PROJECT)
    kinds = [event.kind for event in held.events if event.kind in ends]
    return kinds[-1:] == [Kind.QUARANTINE_PROJECT]
