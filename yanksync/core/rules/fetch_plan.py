"""Stage 2: decides what a pass fetches, and when again (pure).

A plan is a value: ``--dry-run`` prints it.
"""

from __future__ import annotations

from msgspec import Struct

from yanksync.core.names import NormalizedName

DAY = 86400.0
HOUR = 3600.0
_MINUTE = 60.0
STALE_LIMIT = 26 * HOUR
"""How long a page may be stale before its project is only ``behind``: the CDN's day, and slack."""


class FetchTask(
    Struct,
    frozen=True,
    kw_only=True,
    rename={
        "required_serial": "reach",
        "unconfirmed": "doubt",
        "unconfirmed_since": "doubt_since",
        "recheck": "sweep",
    },
):
    """A project whose page must be fetched."""

    name: NormalizedName
    required_serial: int | None = None  # the serial that its page must reach
    urgent: bool = False  # a withdrawal is among its entries
    forced: bool = False  # without ETag: full-resync
    since: float = 0.0  # start of the journal read that first named it
    unconfirmed: str | None = None  # what an earlier pass saw, but did not believe
    unconfirmed_since: float | None = None  # UTC seconds
    recheck: bool = False  # no entry names it; its regular recheck is due
    behind: bool = False  # the same old answer came for longer than a CDN keeps it
    approved: bool = False  # a person has approved the removal in advance


class PlannedRemoval(Struct, frozen=True):
    """A project that a pass would remove from the mirror."""

    name: NormalizedName
    why: str


class ChangedFile(Struct, frozen=True):
    """A file that changed rules hide, or bring back."""

    filename: str
    appears: bool


class ChangedMark(Struct, frozen=True):
    """A file that changed rules mark as yanked, or no longer mark."""

    filename: str
    yanked: bool


class ChangedOffer(Struct, frozen=True):
    """A project whose page changes because of changed rules."""

    name: NormalizedName
    files: tuple[ChangedFile, ...] = ()
    marks: tuple[ChangedMark, ...] = ()


class PlannedCopy(Struct, frozen=True):
    """A package file to copy or to take out of service."""

    filename: str
    bytes: int | None  # None: upstream does not say
    appears: bool


class PlannedCopies(Struct, frozen=True, kw_only=True):
    """What a pass would do with package files.

    Only recorded pages count.
    """

    first: tuple[PlannedCopy, ...] = ()  # the first of each kind
    added: int = 0  # includes those in the queue
    added_bytes: int = 0  # only of files whose size is known
    removed: int = 0
    removed_bytes: int = 0


class PassPlan(Struct, frozen=True, kw_only=True):
    """What a pass would do, before it has fetched pages."""

    cursor: int | None  # the journal's serial after reading
    removals: tuple[PlannedRemoval, ...] = ()  # known before pages are fetched
    files: tuple[ChangedFile, ...] = ()  # files that changed rules hide or bring back
    marks: tuple[ChangedMark, ...] = ()  # marks that changed rules set or remove
    copies: PlannedCopies = PlannedCopies()  # only if package files are copied
    held: tuple[str, ...] = ()  # what would wait for a person, and why
    quarantines: tuple[NormalizedName, ...] = ()  # quarantined by the journal: no files
    publications: int = 0  # recorded earlier, not yet published
    rewrites: tuple[NormalizedName, ...] = ()  # the first of these
    looks: tuple[FetchTask, ...] = ()  # withdrawals first; if there are many, only the first ones
    more: int = 0  # number of further fetches


def backoff(attempts: int) -> float:
    """Return the seconds until the next try (R3).

    ``attempts`` is the number of passes without success.

    The first try is in the next pass; then the time is a minute, and doubles up to an hour.
    """
    if attempts <= 1:
        return 0.0
    return float(min(_MINUTE * 2.0 ** min(attempts - 2, 10), HOUR))


def is_overdue(stale_since: float | None, now: float) -> bool:
    """Return True if a page was stale for 26 hours (R3)."""
    return stale_since is not None and now - stale_since > STALE_LIMIT


def recheck_due(name: str, checked: float, sweep_days: int) -> float | None:
    """Return when the recheck fetches a page again; None: never.

    The time is between half of ``sweep_days`` and all of it, by a hash of the name. So pages that
    were fetched together are not due together.
    """
    if sweep_days <= 0:
        return None
    from hashlib import blake2b  # start-up: it loads OpenSSL, 4 MiB

    part = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") / 2**32
    return checked + sweep_days * DAY * (0.5 + part / 2)


def recheck_budget(projects: int, elapsed: float, sweep_days: int) -> int:
    """Return how many due pages a pass fetches.

    ``elapsed`` seconds have passed since the pass before.

    It is at most twice the average share. So the whole mirror is fetched within ``sweep_days``,
    without bursts. The average interval of :func:`recheck_due` is three quarters of ``sweep_days``.
    """
    if sweep_days <= 0 or projects == 0:
        return 0
    average = projects * min(max(elapsed, 0.0), DAY) / (sweep_days * DAY * 0.75)
    return int(2 * average) + 1
