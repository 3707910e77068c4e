"""Makes the web page from the events of the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache, partial
from importlib.resources import files
from itertools import islice

from yanksync.config.settings import WithdrawalSettings
from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals import paths
from yanksync.core.withdrawals.event import DAY, WithdrawalEvent
from yanksync.core.withdrawals.web import index_page, project_page
from yanksync.core.withdrawals.web.chart import DAYS, DayTotals
from yanksync.core.withdrawals.web.pins_document import render_pins
from yanksync.core.withdrawals.web.shell import ASSETS
from yanksync.core.withdrawals.web.standing import project_standing
from yanksync.output.files import OutputFile
from yanksync.state.state import State
from yanksync.state.withdrawals.event_log import EventLog


def asset_files() -> Iterator[OutputFile]:
    """Yield the style sheet, the scripts and the icon of all pages."""
    for name in ASSETS:
        yield _file(paths.asset(name), partial(_asset, name))


def page_file(state: State, settings: WithdrawalSettings) -> OutputFile:
    """Return the page of all withdrawals."""
    return _file(paths.WEB_PAGE, partial(_index, state.event_log, settings))


def project_page_files(
    state: State, settings: WithdrawalSettings, name: NormalizedName
) -> Iterator[OutputFile]:
    """Yield the page of a project and its document for pins."""
    log = state.event_log
    yield _file(paths.project_page(name), partial(_project, log, settings, name))
    yield _file(paths.project_pins(name), partial(_pins, log, name))


def _file(path: str, body: partial[bytes]) -> OutputFile:
    return OutputFile(path, paths.headers(path), lambda: (body(),))


@cache
def _asset(name: str) -> bytes:
    return files("yanksync.core.withdrawals.web").joinpath("assets", name).read_bytes()


def _index(log: EventLog, settings: WithdrawalSettings) -> bytes:
    content = index_page.IndexContent(
        title=settings.title,
        last_day=log.last_logged() // DAY,
        counts=_totals(log),
        events=tuple(islice(log.newest_first(), index_page.EVENTS)),
        total=log.count(),
        watched=tuple(name for name, _ in settings.watch),
    )
    return index_page.render_index(content)


def _totals(log: EventLog) -> tuple[DayTotals, ...]:
    """Return how many events of each kind the newest days have."""
    found: dict[int, dict[HistoryAction, int]] = {}
    for one in log.day_counts(log.last_logged() // DAY - DAYS + 1):
        found.setdefault(one.day, {})[one.action] = one.count
    return tuple(
        DayTotals(
            day,
            counts.get(HistoryAction.YANK, 0),
            counts.get(HistoryAction.REMOVE, 0),
            counts.get(HistoryAction.QUARANTINE, 0),
        )
        for day, counts in found.items()
    )


class _Newest:
    """Counts all events, and keeps the newest."""

    def __init__(self) -> None:
        self.events = deque[WithdrawalEvent](maxlen=project_page.EVENTS)
        self.count = 0

    def note(self, events: Iterable[WithdrawalEvent]) -> Iterator[WithdrawalEvent]:
        for event in events:
            self.events.appendleft(event)
            self.count += 1
            yield event


def _project(log: EventLog, settings: WithdrawalSettings, name: NormalizedName) -> bytes:
    newest = _Newest()
    standing = project_standing(newest.note(log.of_project(name)))
    content = project_page.ProjectContent(
        project=name,
        title=settings.title,
        events=tuple(newest.events),
        count=newest.count,
        standing=standing,
    )
    return project_page.render_project(content)


def _pins(log: EventLog, name: NormalizedName) -> bytes:
    return render_pins(project_standing(log.of_project(name)))
