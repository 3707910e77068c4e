"""Publishes what was withdrawn: the last step of a pass."""

from __future__ import annotations

from collections.abc import Iterator

from yanksync.core.errors import PublishError
from yanksync.core.layout import WITHDRAWALS
from yanksync.core.withdrawals import paths
from yanksync.core.withdrawals.log_pages import WrittenIndex, read_index
from yanksync.mirror.context import Mirror, log
from yanksync.output.files import OutputFile
from yanksync.state.facts import EventLogPosition
from yanksync.sync.withdrawals.archive import write_archive
from yanksync.sync.withdrawals.files import (
    Publication,
    all_files,
    index_file,
    note_full_pages,
)
from yanksync.sync.withdrawals.log_events import begin_log, log_events


def publish_withdrawals(mirror: Mirror) -> None:
    """Log what became visible, and write the files about withdrawals.

    A file that cannot be written is logged, and the next pass tries again.
    """
    try:
        if mirror.settings.withdrawals.publish:
            _publish(mirror)
        else:
            _remove(mirror)
    except PublishError as error:
        mirror.totals.causes[error.cause] += 1
        mirror.totals.problem = mirror.totals.problem or str(error)
        log.error("%s; the next pass writes the files about withdrawals again", error)


def _publish(mirror: Mirror) -> None:
    facts = mirror.state.facts
    body = mirror.store.read_file(paths.LOG_INDEX)
    written = None if body is None else read_index(body)
    if facts.event_log.epoch is None or _is_put_back(facts.event_log, written):
        if facts.event_log.epoch is not None:
            log.warning("the log of withdrawals is newer than the state; it begins again")
        begin_log(mirror, max(int(mirror.now()), 0 if written is None else written.epoch + 1))
    log_events(mirror)
    publication = _publication(mirror, written)
    if publication.is_needed:
        _write(mirror, publication)
    is_due = facts.event_log.is_archive_due(publication.newest, mirror.now())
    if is_due and not mirror.stopping():
        write_archive(mirror)


def _is_put_back(known: EventLogPosition, written: WrittenIndex | None) -> bool:
    """Return whether the output has events that the state has lost."""
    if written is None or known.epoch is None or written.epoch < known.epoch:
        return False
    ours = max(known.published or 0, known.writing or 0)
    return written.epoch > known.epoch or written.newest > ours


def _publication(mirror: Mirror, written: WrittenIndex | None) -> Publication:
    """Return what must be published.

    If the output has another log, that is everything.
    """
    state = mirror.state
    known = state.facts.event_log
    assert known.epoch is not None
    settings, newest = mirror.settings.withdrawals, state.event_log.newest()
    everything = (
        known.published is None
        or written is None
        or written.epoch != known.epoch
        or written.newest < known.published
        or known.settings != settings.text
    )
    above = 0 if everything else known.published or 0
    return Publication(state, settings, known.epoch, above, newest, everything)


def _write(mirror: Mirror, publication: Publication) -> None:
    """Write the changed files; the index of the log comes last."""
    state, store, newest = mirror.state, mirror.store, publication.newest
    with state.transaction():
        note_full_pages(publication)
        state.facts.change(EventLogPosition, writing=newest)
        if publication.everything:
            state.facts.change(EventLogPosition, archived=None)
    store.write_files(_until_stopped(mirror, all_files(publication)))
    if mirror.stopping():
        return
    if publication.everything:
        watched = {paths.watch_feed(name) for name, _ in publication.settings.watch}
        found = set(filter(paths.is_ours, store.list_files(paths.WATCH_LISTS)))
        store.delete_files(sorted(found - watched))
    store.write_files([index_file(publication)])
    state.facts.change(
        EventLogPosition, published=newest, writing=None, settings=publication.settings.text
    )


def _until_stopped(mirror: Mirror, files: Iterator[OutputFile]) -> Iterator[OutputFile]:
    for file in files:
        if mirror.stopping():
            return
        yield file


def _remove(mirror: Mirror) -> None:
    """Remove all files about withdrawals, and forget the events."""
    log.info("withdrawals.publish is false; removing %s/", WITHDRAWALS)
    mirror.store.delete_files(filter(paths.is_ours, mirror.store.list_files(WITHDRAWALS)))
    with mirror.state.transaction():
        mirror.state.event_log.clear()
        mirror.state.facts.event_log = EventLogPosition()
