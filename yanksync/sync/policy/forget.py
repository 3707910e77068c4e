"""Forgets projects: only their names and hashes stay.

The first step is permanent: after it no pass mirrors the project. If a run dies after that, the
next run begins with the rest.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from yanksync.config.settings import Settings
from yanksync.core.errors import InvalidAnswer, PublishError
from yanksync.core.layout import directory
from yanksync.core.model import File, Hashes
from yanksync.core.names import NormalizedName
from yanksync.core.package_files.paths import metadata_path
from yanksync.core.project_state import PublishReason
from yanksync.core.urls import redacted
from yanksync.core.withdrawals import paths
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.forgotten import ForgottenHashes, is_forgotten, without_forgotten
from yanksync.mirror.open_mirror import any_package_store
from yanksync.output.package_store import PackageStore
from yanksync.state.project_rows import ProjectRow, StoredPage
from yanksync.state.state import State
from yanksync.state.views.stored_page import parse_stored_page
from yanksync.sync.package_files.deleted_index import publish_deleted_index
from yanksync.sync.policy.rules import with_recorded_rules
from yanksync.sync.publish import publish
from yanksync.sync.publish_list import publish_list

_BATCH = 500
_DIGEST = re.compile(rb"[0-9a-fA-F]{32,128}")


class ForgottenContents(Struct, frozen=True, kw_only=True):
    """What the mirror has of a project."""

    project: NormalizedName
    pages: int  # 1: it is published
    files: int  # copies, with those that are not served
    bytes: int  # of the copies
    history: int  # rows
    events: int  # in the log of withdrawals
    hashes: int  # files whose hashes are remembered


def contents_of(state: State, name: NormalizedName) -> ForgottenContents | None:
    """Return what the mirror has of a project; None: nothing."""
    if not state.forgotten.is_known(name):
        return None
    row = state.projects.get([name]).get(name)
    copies = state.package_files.by_project([name]).get(name, ())
    return ForgottenContents(
        project=name,
        pages=int(row is not None and row.published is not None),
        files=sum(one.size is not None for one in copies),
        bytes=sum(one.size or 0 for one in copies),
        history=state.forgotten.count_history(name),
        events=sum(1 for _ in state.event_log.of_project(name)),
        hashes=len(_hashes(state, name)),
    )


def _hashes(state: State, name: NormalizedName) -> list[Hashes]:
    """Return the known hashes of all files of a project."""
    found = [one.file.hashes for one in state.package_files.by_project([name]).get(name, ())]
    row = state.projects.get([name]).get(name)
    if row is not None:
        found += [file.hashes for file in _recorded_files(state, row)]
        found += [one.hashes for one in state.removed_files.of(row.id)]
    return [hashes for hashes in dict.fromkeys(found) if hashes]


def _recorded_files(state: State, row: ProjectRow) -> tuple[File, ...]:
    stored = state.projects.page(row.id)
    try:
        return () if stored is None else parse_stored_page(row.name, stored).files
    except InvalidAnswer:  # a damaged page has no hashes to keep
        return ()


def forget(mirror: Mirror, names: Sequence[NormalizedName]) -> None:
    """Forget projects.

    Raises :class:`yanksync.core.errors.PublishError` and :class:`yanksync.core.errors.StateError`;
    then the next pass goes on.
    """
    with mirror.state.transaction():
        for name in names:
            mirror.state.forgotten.add(name, _hashes(mirror.state, name), mirror.now())
    finish_forgetting(mirror)


def mirror_again(
    state: State, settings: Settings, names: Sequence[NormalizedName], now: float
) -> None:
    """Let the next pass fetch forgotten projects.

    The configuration can leave some of them out.
    """
    hashes = frozenset[tuple[str, str]]().union(*map(state.forgotten.hashes, names))
    with state.transaction():
        for rows in _projects_with(state, hashes):  # these hashes no longer hide their files
            for row in rows:
                state.publish_queue.add_page(row.id, now)
        for name in names:
            state.forgotten.drop(name)
            if settings.is_mirrored(name):
                state.projects.add([(name, name)])
                state.fetch_queue.mark(name, None, now, forced=True, patient=False)


def finish_forgetting(mirror: Mirror) -> None:
    """Remove the rest of forgotten projects. Raises as :func:`forget`."""
    state, names = mirror.state, mirror.state.forgotten.unfinished()
    _refuse_other_output(mirror)
    mirror.store.prepare()
    settings, hashes = without_forgotten(mirror.settings, state)
    mirror = with_recorded_rules(replace(mirror, settings=settings, forgotten=hashes))
    _remove_pages(mirror, names)
    lacking = _remove_files(mirror, names)
    _hide_in_other_projects(mirror)
    publish_list(mirror)
    if lacking is not None:
        raise lacking
    with state.transaction():
        for name in names:
            state.forgotten.erase(name)
    for name in names:
        for place in (paths.project_directory(name), paths.osv_directory(name)):
            mirror.store.delete_files(list(mirror.store.list_files(place)))
    publish_deleted_index(mirror)
    with state.transaction():
        state.forgotten.finish(names)
    state.empty_log()
    for name in names:
        log.info("%s: forgotten", name)


def _refuse_other_output(mirror: Mirror) -> None:
    """Raise :class:`PublishError` if the output has lost its list of projects."""
    if mirror.state.facts.published_list.stamp and not mirror.store.published_list().stamp:
        raise PublishError(
            str(mirror.settings.mirror.output),
            "the list of projects is not there, so nothing is forgotten yet. If its file system is "
            "not mounted, mount it and run 'yanksync sync'; if the output was deleted, run "
            "'yanksync sync' twice: it is written again, and then the rest is forgotten",
        )


def _remove_pages(mirror: Mirror, names: Sequence[NormalizedName]) -> None:
    state, now = mirror.state, mirror.now()
    rows = state.projects.get(names).values()
    with state.transaction():
        for row in rows:
            state.publish_queue.add(row.id, PublishReason.EXCLUDED, now, approved=True)
    publish(mirror, state.publish_queue.queued([row.id for row in rows]))
    for row in state.projects.get(names).values():
        if row.published is not None:  # the log says why
            problem = "could not be removed; the next 'yanksync sync' tries again"
            raise PublishError(directory(row.name), problem)


def _remove_files(mirror: Mirror, names: Sequence[NormalizedName]) -> PublishError | None:
    """Delete copies; return an error if some are nowhere."""
    missed = dict[str, int]()
    for project, copies in mirror.state.package_files.by_project(names).items():
        store = mirror.package_store or any_package_store(mirror.settings)
        stores = [store, *_earlier_stores(mirror, project)]
        lacking = {one.path for one in copies if one.is_somewhere}
        for one_store in stores:
            lacking = one_store.lacking(lacking)
        with mirror.state.transaction():
            mirror.state.copy_checks.begin_deletion(
                one.id for one in copies if one.path not in lacking
            )
        places = [place for one in copies for place in (one.path, metadata_path(one.path))]
        store.delete_packages(places)
        store.keep_incoming(set(store.incoming()).difference(places))
        for one_store in stores:
            one_store.delete_withheld([one.path for one in copies])
        if lacking:
            missed[project] = len(lacking)
    if not missed:
        return None
    return PublishError(
        ", ".join(missed),
        f"not forgotten yet: {sum(missed.values())} package files are neither below "
        f"{mirror.settings.mirror.output}/packages nor in files.withheld "
        f"({mirror.settings.withheld}). If a file system is not mounted, mount it; if they were "
        "deleted, run 'yanksync verify --repair'. Then run 'yanksync sync'",
    )


def _earlier_stores(mirror: Mirror, project: str) -> Iterator[PackageStore]:
    """Yield a store for each earlier ``files.withheld``.

    Log those that cannot be opened.
    """
    settings = mirror.settings
    for place in (mirror.state.facts.config.withheld or "").splitlines():
        if place == str(settings.withheld):
            continue
        if isinstance(settings.mirror.output, Path) and os.path.isdir(place):
            section = replace(settings.files, withheld=Path(place))
            yield any_package_store(replace(settings, files=section))
        else:
            log.warning(
                "%s: %s, an earlier files.withheld, may still have files of it, and cannot be "
                "looked into now; delete them there",
                project,
                redacted(place),
            )


def _hide_in_other_projects(mirror: Mirror) -> None:
    """Publish other projects with the same files again."""
    state = mirror.state
    for rows in _projects_with(state, mirror.forgotten):
        with state.transaction():
            for row in rows:
                state.publish_queue.add_page(row.id, mirror.now())
        queued = state.publish_queue.queued([row.id for row in rows])
        publish(mirror, [one for one in queued if one.reason is PublishReason.PAGE])


def _projects_with(state: State, hashes: ForgottenHashes) -> Iterator[list[ProjectRow]]:
    """Yield the projects that have a file with one of these hashes."""
    digests, after = {digest for _, digest in hashes}, 0
    while digests and (rows := state.projects.next_batch(after, _BATCH)):
        after = rows[-1].id
        copies = state.package_files.by_project([row.name for row in rows])
        yield [
            row
            for row in rows
            if any(is_forgotten(one.file.hashes, hashes) for one in copies.get(row.name, ()))
            or not digests.isdisjoint(_digests_in(state.projects.page(row.id)))
        ]


def _digests_in(page: StoredPage | None) -> list[str]:
    """Return everything that looks like a digest."""
    with suppress(zlib.error):  # upstream's next answer replaces a damaged page
        return [] if page is None else [one.decode().lower() for one in _DIGEST.findall(page.text)]
    return []
