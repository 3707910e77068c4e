"""Makes the files about withdrawals from the events of the log.

Each body is made when it is written, from events that are read only for it. So the memory of a pass
does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256

from msgspec import Struct

from yanksync.config.project_filter import ProjectFilter
from yanksync.config.settings import WithdrawalSettings
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals import paths
from yanksync.core.withdrawals.event import DAY, WithdrawalEvent
from yanksync.core.withdrawals.feeds import NEWEST, Feed, atom_chunks, json_chunks
from yanksync.core.withdrawals.log_pages import (
    PAGE,
    LogPage,
    index_chunks,
    page_body,
    page_number,
    project_chunks,
)
from yanksync.core.withdrawals.osv import OsvRecord, osv_records
from yanksync.output.files import OutputFile
from yanksync.state.state import State
from yanksync.sync.withdrawals import web_page

_LOOKED_THROUGH = 20 * NEWEST  # newest events that are searched for a watch list


class Publication(Struct, frozen=True):
    """The part of a log that must be published."""

    state: State
    settings: WithdrawalSettings
    epoch: int
    above: int  # the cursor up to which the output has all events
    newest: int  # the cursor of the newest event
    everything: bool = True  # also what no event changes; False: the output has it

    @property
    def is_needed(self) -> bool:
        """Return whether there is anything to write."""
        return self.everything or self.above < self.newest

    def projects(self) -> Iterator[NormalizedName]:
        """Yield the projects whose files are to be written."""
        return self.state.event_log.projects(self.above)


def all_files(publication: Publication) -> Iterator[OutputFile]:
    """Yield all files to write, in order, without the index."""
    yield from page_files(publication)
    for name in publication.projects():
        yield from project_files(publication, name)
    yield from overview_files(publication)


def page_files(publication: Publication) -> Iterator[OutputFile]:
    """Yield the pages of the log that grew."""
    if publication.newest == 0:
        return
    first = page_number(publication.above + 1)
    for number in range(first, page_number(publication.newest) + 1):
        is_full = number * PAGE <= publication.newest
        path = paths.log_page(number)
        headers = paths.headers(path, paths.FIXED) if is_full else paths.headers(path)
        yield OutputFile(path, headers, partial(_page_chunks, publication, number))


def _page_chunks(publication: Publication, number: int) -> list[bytes]:
    last = min(number * PAGE, publication.newest)
    return [page_body(publication.state.event_log.lines((number - 1) * PAGE, last))]


def index_file(publication: Publication) -> OutputFile:
    """Return the index of the log."""
    return OutputFile(
        paths.LOG_INDEX,
        paths.headers(paths.LOG_INDEX),
        lambda: index_chunks(publication.epoch, publication.newest, _pages(publication)),
    )


def _pages(publication: Publication) -> Iterator[LogPage]:
    done = 0
    for number, known in publication.state.event_log.full_pages():
        yield LogPage(number, PAGE, known)
        done = number
    for number in range(done + 1, page_number(publication.newest) + 1):
        (body,) = _page_chunks(publication, number)
        count = min(number * PAGE, publication.newest) - (number - 1) * PAGE
        yield LogPage(number, count, sha256(body).hexdigest())


def note_full_pages(publication: Publication) -> None:
    """Keep the hashes of the pages that are full now."""
    log = publication.state.event_log
    done = max(page_number(publication.above + 1) - 1, 0)
    for number in range(done + 1, publication.newest // PAGE + 1):
        (body,) = _page_chunks(publication, number)
        log.add_full_page(number, sha256(body).hexdigest())


def project_files(publication: Publication, name: NormalizedName) -> Iterator[OutputFile]:
    """Yield the files of one project."""
    feed, path = _feed(publication, name, f"Withdrawn releases of {name}"), paths.project_feed(name)
    events = partial(publication.state.event_log.recent, NEWEST, publication.epoch, [name])
    yield OutputFile(path, paths.headers(path), partial(_chunks, atom_chunks, feed, events))
    path = paths.project_events(name)
    yield OutputFile(path, paths.headers(path), partial(_project_chunks, publication, name))
    for record in records_of(publication.state, name, publication.above):
        path = f"{paths.osv_directory(name)}/{record.id}.json"
        yield OutputFile(path, paths.headers(path), partial(_body, record))
    yield from web_page.project_page_files(publication.state, publication.settings, name)


def _project_chunks(publication: Publication, name: NormalizedName) -> Iterator[bytes]:
    return project_chunks(publication.epoch, publication.state.event_log.of_project(name))


def records_of(state: State, name: NormalizedName, above: int = 0) -> Iterator[OsvRecord]:
    """Yield a project's OSV records that have events after a cursor."""
    return osv_records(name, state.event_log.of_project(name), above)


def _body(record: OsvRecord) -> tuple[bytes]:
    return (record.body,)


def overview_files(publication: Publication) -> Iterator[OutputFile]:
    """Yield the main feeds, changed watch lists, and the web page."""
    log, settings = publication.state.event_log, publication.settings
    feed = _feed(publication, "", settings.title, up="")
    events = partial(log.recent, NEWEST, publication.epoch)
    for path, chunks in ((paths.FEED_ATOM, atom_chunks), (paths.FEED_JSON, json_chunks)):
        yield OutputFile(path, paths.headers(path), partial(_chunks, chunks, feed, events))
    for name, projects in settings.watch:
        if publication.everything or any(map(projects.includes, publication.projects())):
            path = paths.watch_feed(name)
            title = f"{settings.title}: {name}"
            watched = _feed(publication, f"/{name}", title, up="../")
            found = partial(_watched, publication, projects)
            chunks = partial(_chunks, atom_chunks, watched, found)
            yield OutputFile(path, paths.headers(path), chunks)
    if publication.everything:  # they are the same for all events
        yield from web_page.asset_files()
    yield web_page.page_file(publication.state, settings)


def _watched(publication: Publication, watched: ProjectFilter) -> Iterator[WithdrawalEvent]:
    """Yield the events of a watch list, newest first.

    If many of its projects have events, these are among the newest of the log. If few have any,
    their events are looked up by name.
    """
    log, begun = publication.state.event_log, publication.epoch
    found, newest, oldest = list[WithdrawalEvent](), begun, begun
    for one in log.recent(_LOOKED_THROUGH, begun):  # the last day of the log, at least
        newest, oldest = max(newest, one.logged), one.logged
        if watched.includes(one.project):
            found.append(one)
    since = max(found[0].logged - DAY, begun + 1) if found else 0
    has_day = found and (found[0].logged == newest or oldest < since)
    if publication.newest <= _LOOKED_THROUGH or (len(found) >= NEWEST and has_day):
        return (one for place, one in enumerate(found) if place < NEWEST or one.logged >= since)
    return log.recent(NEWEST, begun, [name for name in log.projects() if watched.includes(name)])


_Writer = Callable[[Feed, Iterable[WithdrawalEvent]], Iterator[bytes]]
_Events = Callable[[], Iterable[WithdrawalEvent]]


def _chunks(write: _Writer, feed: Feed, events: _Events) -> Iterator[bytes]:
    return write(feed, events())


def _feed(publication: Publication, id_: str, title: str, up: str = "../../") -> Feed:
    return Feed(id_, publication.epoch, title, up)
