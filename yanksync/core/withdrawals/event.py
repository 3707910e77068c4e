"""One event of the log of withdrawals."""

from __future__ import annotations

from msgspec import Struct

from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName


class WithdrawalEvent(Struct, frozen=True, kw_only=True):
    """A yank, a removal or a quarantine, or its end."""

    cursor: int  # counts the events of a mirror: 1, 2, 3 and so on
    time: int  # UTC seconds
    serial: int | None  # None: seen on a page, without an entry of the journal
    project: NormalizedName
    action: HistoryAction  # never averted
    versions: tuple[str, ...]  # empty: the whole project
    files: tuple[str, ...]  # empty: all files of the versions
    reason: str | None  # exact; None: unknown
    installable_by_pin: bool  # an exact pin still installs it
    page_sha256: str | None  # of the JSON page that shows the event; None: no page is published
