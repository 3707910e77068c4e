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
    """A project whose page is to be asked for."""

    name: NormalizedName
    required_serial: int | None = None  # the serial that its page must reach
    urgent: bool = False  # a withdrawal is among its entries
    forced: bool = False  # without ETag: full-resync
    since: float = 0.0  # start of the read that first asked for it
    unconfirmed: str | None = None  # what an earlier pass saw and did not believe
    unconfirmed_since: float | None = None  # UTC seconds
    recheck: bool = False  # nothing names it; it is asked because its time has come
    behind: bool = False  # upstream has given the same old answer for longer than a CDN's day
    approved: bool = False  # should its project be gone, a person has agreed to that already


class PlannedRemoval(Struct, frozen=True):
    """A project that a pass would remove from the mirror."""

    name: NormalizedName
    why: str


class ChangedFile(Struct, frozen=True):
    """A file that changed rules hide, or bring back."""

    filename: str
    appears: bool


class ChangedMark(Struct, frozen=True):
    """A file that changed rules mark as yanked, or mark no more."""

    filename: str
    yanked: bool


class ChangedOffer(Struct, frozen=True):
    """A project whose page changed rules make another one."""

    name: NormalizedName
    files: tuple[ChangedFile, ...] = ()
    marks: tuple[ChangedMark, ...] = ()


class PlannedCopy(Struct, frozen=True):
    """A package file to be copied or taken out of service."""

    filename: str
    bytes: int | None  # None: upstream does not say
    appears: bool


class PlannedCopies(Struct, frozen=True, kw_only=True):
    """What a pass would do with package files.

    Only recorded pages count.
    """

    first: tuple[PlannedCopy, ...] = ()  # the first of each kind
    added: int = 0  # those in the queue included
    added_bytes: int = 0  # of those whose size is known
    removed: int = 0
    removed_bytes: int = 0


class PassPlan(Struct, frozen=True, kw_only=True):
    """What a pass would do, as known before it fetches pages."""

    cursor: int | None  # the journal's serial after reading
    removals: tuple[PlannedRemoval, ...] = ()  # known before pages are asked for
    files: tuple[ChangedFile, ...] = ()  # that changed rules hide or bring back
    marks: tuple[ChangedMark, ...] = ()  # that changed rules set or take away
    copies: PlannedCopies = PlannedCopies()  # only where package files are copied
    held: tuple[str, ...] = ()  # what would wait for a person, and why
    quarantines: tuple[NormalizedName, ...] = ()  # withdrawn on the journal's word: no files
    publications: int = 0  # pages recorded earlier and not yet published
    rewrites: tuple[NormalizedName, ...] = ()  # the first of these
    looks: tuple[FetchTask, ...] = ()  # withdrawals first; the first of them, where there are many
    more: int = 0  # looks beyond those


def backoff(attempts: int) -> float:
    """Return the seconds until the next try (R3).

    ``attempts`` passes had no success.

    The next pass, then a minute, doubling to an hour.
    """
    if attempts <= 1:
        return 0.0
    return float(min(_MINUTE * 2.0 ** min(attempts - 2, 10), HOUR))


def is_overdue(stale_since: float | None, now: float) -> bool:
    """Return True if a page was stale for 26 hours (R3)."""
    return stale_since is not None and now - stale_since > STALE_LIMIT


def recheck_due(name: str, checked: float, sweep_days: int) -> float | None:
    """Return when the recheck fetches a page again; None: never.

    Between half of ``sweep_days`` and all of it, by a hash of the name, so that pages built in one
    go are not due in one go.
    """
    if sweep_days <= 0:
        return None
    from hashlib import blake2b  # start-up: it loads OpenSSL, 4 MiB

    part = int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") / 2**32
    return checked + sweep_days * DAY * (0.5 + part / 2)


def recheck_budget(projects: int, elapsed: float, sweep_days: int) -> int:
    """Return how many due pages a pass fetches.

    ``elapsed`` seconds have passed since the pass before.

    At most twice the average share: the whole mirror is asked within ``sweep_days`` without bursts.
    The average interval of :func:`recheck_due` is three quarters of ``sweep_days``.
    """
    if sweep_days <= 0 or projects == 0:
        return 0
    average = projects * min(max(elapsed, 0.0), DAY) / (sweep_days * DAY * 0.75)
    return int(2 * average) + 1
