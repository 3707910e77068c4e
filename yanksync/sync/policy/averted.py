"""Records withdrawals of releases that cooldown hid.

Clients could not install them from this mirror.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yanksync.core.errors import InvalidAnswer
from yanksync.core.model import Page
from yanksync.core.names import NormalizedName
from yanksync.core.policies.cooldown import FileTimes
from yanksync.core.project_state import Presence
from yanksync.core.rules.averted import Averted, HiddenReleases, averted_part, hidden_releases
from yanksync.core.rules.journal_entries import JournalEvent
from yanksync.core.rules.lost_file import LostFile
from yanksync.mirror.context import Mirror
from yanksync.state.policy.file_times import NO_ROW
from yanksync.state.project_rows import ProjectRow
from yanksync.sync.published_page import recorded_page


def hidden_before(mirror: Mirror, page: Page | None, times: FileTimes) -> HiddenReleases | None:
    """Return what cooldown hid of ``page`` at its last publication."""
    published = mirror.offers.published
    if page is None or published.keys.cooldown.is_off:
        return None
    return hidden_releases(page, published.offer(page, times))


def note_averted(
    mirror: Mirror, events: Sequence[JournalEvent], rows: Mapping[NormalizedName, ProjectRow]
) -> None:
    """Note which of these withdrawals concern hidden releases. Use inside a transaction.

    Their files are withheld, because they may become old enough before a page shows the withdrawal.
    ``rows`` are the projects before these entries.
    """
    if mirror.offers.published.keys.cooldown.is_off:
        return
    pages: dict[NormalizedName, Page | None] = {}
    hidden: dict[NormalizedName, HiddenReleases | None] = {}
    for event in events:
        row, serial = rows[event.name], event.entry.serial
        if not event.removes or row.presence is not Presence.PRESENT:
            continue
        if row.serial is not None and serial <= row.serial:
            continue  # the held page is newer
        if event.name not in hidden:
            pages[event.name] = page = _page(mirror, row)
            hidden[event.name] = _hidden(mirror, row, page)
        part = averted_part(hidden[event.name], event.entry.version, event.file)
        if part is not None:
            mirror.state.history.set_averted(serial, part)
            if event.entry.version is not None:  # otherwise the whole page leaves
                _withhold(mirror, row, pages[event.name], part)


def _page(mirror: Mirror, row: ProjectRow) -> Page | None:
    try:
        return recorded_page(mirror, row)
    except InvalidAnswer:
        return None


def _hidden(mirror: Mirror, row: ProjectRow, page: Page | None) -> HiddenReleases | None:
    times = mirror.state.file_times.get([row.id]).get(row.id, NO_ROW).times
    return hidden_before(mirror, page, times)


def _withhold(mirror: Mirror, row: ProjectRow, page: Page | None, part: Averted) -> None:
    """Note that pages no longer show the files of ``part``."""
    assert page is not None  # the files are on it
    state, now = mirror.state, mirror.now()
    lost = state.lost_files.one(row.id)
    versions = {name: version for version, names in part.releases for name in names}
    for one in lost:
        versions.pop(one.file.filename, None)
    withheld = [
        LostFile(
            file=file,
            version=versions[file.filename],
            low=row.serial,
            since=now,
            run=mirror.run,
            shown=False,
        )
        for file in page.files
        if file.filename in versions
    ]
    state.lost_files.put(row.id, [*lost, *withheld])
    state.publish_queue.add_page(row.id, now)
