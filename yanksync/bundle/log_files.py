"""Chooses the files about withdrawals for a bundle."""

from __future__ import annotations

from collections.abc import Iterator

from yanksync.bundle.places import Places
from yanksync.core.bundles.header import BundleHeader, LogPart
from yanksync.output.files import OutputFile
from yanksync.state.bundles.table import MadeBundle


def has_log(places: Places) -> bool:
    """Return whether the mirror publishes a log of withdrawals."""
    return places.state.facts.event_log.published is not None


def log_text(places: Places) -> str:
    """Return the settings that these files depend on."""
    return f"{places.state.facts.event_log.epoch} {places.settings.withdrawals.text}"


def log_part(made: MadeBundle, before: MadeBundle | None) -> LogPart:
    """Return which of these files a bundle has."""
    if made.log is None:
        return LogPart.NONE
    same = before is not None and before.log == made.log
    return LogPart.CHANGED if same else LogPart.ALL


def log_files(
    places: Places, header: BundleHeader, before: MadeBundle | None
) -> Iterator[OutputFile]:
    """Yield a bundle's files about withdrawals, the log's index last."""
    newest = places.state.event_log.newest()
    known = before if header.log is LogPart.CHANGED else None
    above = 0 if known is None else known.event or 0
    is_same = known is not None and above == newest
    if header.log is LogPart.NONE or is_same:
        return
    from yanksync.sync.withdrawals.archive import archive_file
    from yanksync.sync.withdrawals.files import Publication, all_files, index_file

    epoch = places.state.facts.event_log.epoch
    assert epoch is not None  # there is a log
    settings = places.settings.withdrawals
    publication = Publication(
        places.state, settings, epoch, above, newest, everything=known is None
    )
    yield from all_files(publication)
    yield archive_file(places.state)
    yield index_file(publication)
