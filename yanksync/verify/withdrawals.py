"""Compares the files about withdrawals with the events of the log."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby

from yanksync.core.layout import WITHDRAWALS
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals import paths
from yanksync.mirror.context import Mirror
from yanksync.output.comparison import Finding, FindingKind
from yanksync.output.digests import digest_of
from yanksync.output.files import OutputFile
from yanksync.sync.withdrawals.archive import (
    archive_file,
    has_all_records,
    is_archive_ours,
    write_archive,
)
from yanksync.sync.withdrawals.files import (
    Publication,
    index_file,
    overview_files,
    page_files,
    project_files,
)

_DIRECTORY = f"{WITHDRAWALS}/"
_OF_PROJECTS = (f"{paths.PROJECTS}/", f"{paths.OSV}/")


def is_about_withdrawals(finding: Finding) -> bool:
    """Return whether a finding is about these files."""
    return finding.path.startswith(_DIRECTORY)


def check_withdrawals(mirror: Mirror) -> Iterator[Finding]:
    """Yield how the files about withdrawals differ from the log."""
    settings, known = mirror.settings.withdrawals, mirror.state.facts.event_log
    if not settings.publish and known.epoch is None:
        return
    if settings.publish and _is_any_waiting(mirror):
        yield _waiting(mirror)
        return
    if not settings.publish or known.settings != settings.text:
        yield _found(FindingKind.UNPUBLISHED, None, _DIRECTORY)
        return
    publication = _publication(mirror)
    for file in _common_files(mirror, publication):
        yield from _compared(mirror, None, file)
    for name in publication.projects():
        for file in project_files(publication, name):
            yield from _compared(mirror, name, file)
    listed = mirror.store.list_files(WITHDRAWALS)
    for directory, found in groupby(listed, lambda path: path.rpartition("/")[0]):
        yield from _unexpected(mirror, publication, directory, found)


def _is_any_waiting(mirror: Mirror) -> bool:
    """Return whether an event is to be logged or written."""
    log, known = mirror.state.event_log, mirror.state.facts.event_log
    return known.published != log.newest() or log.unlogged.is_any_ready()


def _waiting(mirror: Mirror) -> Finding:
    """Return that events wait, and why no pass could write them."""
    error = mirror.state.runs.last_error()
    problem = None if error is None else error.problem
    if problem is None:  # the next pass writes them
        return _found(FindingKind.UNPUBLISHED, None, _DIRECTORY)
    detail = f"the log, the feeds and the web page lack withdrawals: {problem}"
    return Finding(kind=FindingKind.WITHDRAWN, project=None, path=_DIRECTORY, detail=detail)


def _publication(mirror: Mirror) -> Publication:
    """Return the publication of the whole log."""
    log = mirror.state.event_log
    epoch = mirror.state.facts.event_log.epoch or 0
    return Publication(mirror.state, mirror.settings.withdrawals, epoch, 0, log.newest())


def _common_files(mirror: Mirror, publication: Publication) -> Iterator[OutputFile]:
    """Yield the files that belong to no single project.

    An archive that was never written is left out.
    """
    yield from chain(page_files(publication), [index_file(publication)])
    yield from overview_files(publication)
    if mirror.state.facts.event_log.archive_digest is not None:
        yield archive_file(mirror.state)


def _compared(mirror: Mirror, name: NormalizedName | None, file: OutputFile) -> Iterator[Finding]:
    found = mirror.store.file_digest(file.path)
    if found is None:
        yield _found(FindingKind.MISSING, name, file.path)
    elif not _is_right(mirror, file, found):
        yield _found(FindingKind.DIFFERENT, name, file.path)


def _is_right(mirror: Mirror, file: OutputFile, found: bytes) -> bool:
    state = mirror.state
    if file.path != paths.OSV_ARCHIVE:
        return found == digest_of(file.chunks())
    waits = state.facts.event_log.archived != state.event_log.newest()  # it has earlier records
    return is_archive_ours(state, found) and (waits or has_all_records(state, mirror.store))


def _unexpected(
    mirror: Mirror, publication: Publication, directory: str, found: Iterator[str]
) -> Iterator[Finding]:
    """Yield the files of a directory that belong to no event."""
    name = _project_of(f"{directory}/")
    files = _common_files(mirror, publication) if name is None else _files_of(publication, name)
    expected = {file.path for file in files} | {paths.OSV_ARCHIVE}
    for path in found:
        if path in expected:
            continue
        ours = FindingKind.LEFTOVER if paths.is_temporary(path) else FindingKind.EXTRA
        yield _found(ours if paths.is_ours(path) else FindingKind.FOREIGN, name, path)


def _files_of(publication: Publication, name: NormalizedName) -> Iterator[OutputFile]:
    events = publication.state.event_log.of_project(name)
    return iter(()) if next(events, None) is None else project_files(publication, name)


def _project_of(path: str) -> NormalizedName | None:
    """Return the project whose file this is.

    None: the file belongs to no single project.
    """
    for base in _OF_PROJECTS:
        name, slash, _ = path.removeprefix(base).partition("/")
        if path.startswith(base) and slash:
            return NormalizedName(name)
    return None


def repair_withdrawals(mirror: Mirror, finding: Finding) -> None:
    """Write the file of a finding again, or delete it."""
    if finding.kind in (FindingKind.EXTRA, FindingKind.LEFTOVER):
        mirror.store.delete_files([finding.path])
    elif finding.path == paths.OSV_ARCHIVE:
        write_archive(mirror, copies=False)
    else:
        mirror.store.write_files(_expected(mirror, finding.path))


def remaining_problem(mirror: Mirror, finding: Finding) -> str | None:
    """Return what is still wrong with a file; or None."""
    if finding.path == _DIRECTORY:
        return "they still wait" if _is_any_waiting(mirror) else None
    files = list(_expected(mirror, finding.path))
    if not files and mirror.store.file_digest(finding.path) is not None:
        return "it is still there"
    problems = chain.from_iterable(_compared(mirror, None, file) for file in files)
    return next((f"still {one.kind}" for one in problems), None)


def _expected(mirror: Mirror, path: str) -> Iterator[OutputFile]:
    """Yield the file that belongs at a path, if any does."""
    publication, name = _publication(mirror), _project_of(path)
    files = _common_files(mirror, publication) if name is None else _files_of(publication, name)
    return (file for file in files if file.path == path)


def _found(kind: FindingKind, name: str | None, path: str) -> Finding:
    return Finding(kind=kind, project=name, path=path)
