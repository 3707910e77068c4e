"""Makes events from history rows whose change is published."""

from __future__ import annotations

from hashlib import sha256
from itertools import islice

from msgspec import Struct

from yanksync.config.settings import YankedPolicy
from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer
from yanksync.core.model import HistoryAction, Page
from yanksync.core.names import NormalizedName
from yanksync.core.versions import file_versions
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.mirror.context import Mirror
from yanksync.state.facts import EventLogPosition
from yanksync.state.views.history_rows import HistoryRow
from yanksync.state.withdrawals.event_log import LoggedRow
from yanksync.state.withdrawals.unlogged import ReadyRow
from yanksync.sync.published_page import parse_published_page, recorded_page

_BATCH = 500
_AWAY = (HistoryAction.REMOVE, HistoryAction.QUARANTINE)


class _ShownPage(Struct, frozen=True):
    """The published page of a project."""

    sha256: str | None
    versions: frozenset[str | None]  # versions that have files


_NOTHING = _ShownPage(None, frozenset())


def begin_log(mirror: Mirror, epoch: int) -> None:
    """Begin a log with all of the history."""
    state = mirror.state
    with state.transaction():
        state.event_log.clear()
        state.event_log.unlogged.add_all()
        state.facts.event_log = EventLogPosition(epoch=epoch, backlog=state.history_rows.newest())


def log_events(mirror: Mirror) -> None:
    """Append an event for each row of the history that is ready."""
    ready = mirror.state.event_log.unlogged.ready()
    while not mirror.stopping() and (rows := list(islice(ready, _BATCH))):
        with mirror.state.transaction():
            _Appender(mirror).append(rows)


class _Appender:
    """Appends the events of one batch."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._log = mirror.state.event_log
        self._backlog = mirror.state.facts.event_log.backlog or 0
        self._pages: dict[NormalizedName, _ShownPage] = {}
        self._cursor = self._log.newest()
        self._epoch = mirror.state.facts.event_log.epoch or 0
        self._now = max(int(mirror.now()), self._log.last_logged(), self._epoch + 1)

    def append(self, rows: list[ReadyRow]) -> None:
        for ready in rows:
            if ready.row is None:
                self._log.unlogged.drop(ready.id)
                continue
            self._cursor += 1
            event = self._event(ready.id, ready.row)
            self._log.append([LoggedRow(ready.id, event)])

    def _event(self, id_: int, row: HistoryRow) -> WithdrawalEvent:
        is_old = id_ <= self._backlog
        page = self._held_page(row) if is_old else self._shown_page(row.project)
        return WithdrawalEvent(
            cursor=self._cursor,
            logged=self._epoch if is_old else self._now,
            time=row.timestamp,
            serial=row.serial,
            project=row.project,
            action=row.action,
            versions=() if row.version is None else (row.version,),
            files=row.files if row.file is None else (row.file,),
            reason=row.reason,
            installable_by_pin=self._was_installable(row, page)
            if is_old
            else _is_installable(row, page),
            page_sha256=page.sha256,
            replaces=self._log.unlogged.told_before(id_, row),
        )

    def _shown_page(self, name: NormalizedName) -> _ShownPage:
        if name not in self._pages:
            body = self._mirror.store.read(name, layout.V1_JSON.filename)
            self._pages[name] = _NOTHING if body is None else _shown(name, body)
        return self._pages[name]

    def _held_page(self, row: HistoryRow) -> _ShownPage:
        """Return the recorded page, if an old row needs it."""
        if row.file is None or row.action is not HistoryAction.REMOVE:
            return _NOTHING
        if row.project not in self._pages:
            found = self._mirror.state.projects.get([row.project]).values()
            try:
                (project,) = found
                page = recorded_page(self._mirror, project)
                self._pages[row.project] = _ShownPage(None, _offered(page))
            except (ValueError, InvalidAnswer):  # the page is gone, or cannot be read
                self._pages[row.project] = _NOTHING
        return self._pages[row.project]

    def _was_installable(self, row: HistoryRow, page: _ShownPage) -> bool:
        """Return whether a pin could be installed after what happened long ago.

        There is no page from that time. For a removed file, today's page shows whether its release
        had other files.
        """
        if row.action is HistoryAction.YANK:
            return self._mirror.settings.mirror.yanked is YankedPolicy.MARK
        if row.action in _AWAY:
            return row.file is not None and _is_installable(row, page)
        return True


def _is_installable(row: HistoryRow, page: _ShownPage) -> bool:
    return bool(page.versions) if row.version is None else row.version in page.versions


def _shown(name: NormalizedName, body: bytes) -> _ShownPage:
    try:
        offered = _offered(parse_published_page(name, body))
    except InvalidAnswer:  # changed by hand; verify says so
        offered = frozenset()
    return _ShownPage(sha256(body).hexdigest(), offered)


def _offered(page: Page) -> frozenset[str | None]:
    return frozenset() if page.quarantined else frozenset(file_versions(page))
