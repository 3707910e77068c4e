"""Events of withdrawals for tests."""

from __future__ import annotations

from collections.abc import Iterable

from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals.event import WithdrawalEvent

DAY = 24 * 60 * 60
NOON = 1795953600  # 29 November 2026, 12:00 UTC


def withdrawal(
    action: HistoryAction,
    *versions: str,
    files: Iterable[str] = (),
    reason: str | None = None,
    project: str = "demo",
    cursor: int = 1,
    time: int | None = None,
    page_sha256: str | None = "00" * 32,
) -> WithdrawalEvent:
    """Return an event; a minute passes between two cursors."""
    ended = (HistoryAction.UNYANK, HistoryAction.RETURN, HistoryAction.UNQUARANTINE)
    return WithdrawalEvent(
        cursor=cursor,
        logged=NOON + 60 * cursor,
        time=NOON + 60 * cursor if time is None else time,
        serial=100 + cursor,
        project=NormalizedName(project),
        action=action,
        versions=versions,
        files=tuple(files),
        reason=reason,
        installable_by_pin=action in (HistoryAction.YANK, *ended),
        page_sha256=page_sha256,
    )
