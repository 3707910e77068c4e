"""Compares the index of deleted files with the copies that are kept."""

from __future__ import annotations

from collections.abc import Iterator

from yanksync.core import layout
from yanksync.mirror.context import Mirror
from yanksync.output.comparison import Finding, FindingKind, unexpected_kind
from yanksync.output.digests import digest_of
from yanksync.output.files import OutputFile
from yanksync.sync.package_files import deleted_index

_DIRECTORY = f"{layout.DELETED_ROOT}/"


def is_about_deleted_index(finding: Finding) -> bool:
    """Return True if a finding is about these files."""
    return finding.path.startswith(_DIRECTORY)


def check_deleted_index(mirror: Mirror) -> Iterator[Finding]:
    """Yield how the index of deleted files differs from the state."""
    kept = mirror.state.kept_files
    wanted = mirror.settings.files.deleted_index
    if not (wanted or mirror.state.facts.config.deleted_index):
        return
    if not wanted or kept.is_list_due() or kept.changed_pages(1):
        yield Finding(kind=FindingKind.UNPUBLISHED, project=None, path=_DIRECTORY)
        return
    expected = set()
    for name in kept.page_digests():
        for file in deleted_index.expected_files(mirror, name):
            expected.add(file.path)
            if (kind := _difference(mirror, file)) is not None:
                yield Finding(kind=kind, project=name or None, path=file.path)
    for path in mirror.store.list_files(layout.DELETED_ROOT):
        if path not in expected:
            kind = unexpected_kind(path.rpartition("/")[2])
            yield Finding(kind=kind, project=None, path=path)


def _difference(mirror: Mirror, file: OutputFile) -> FindingKind | None:
    found = mirror.store.file_digest(file.path)
    if found is None:
        return FindingKind.MISSING
    return None if found == digest_of(file.chunks()) else FindingKind.DIFFERENT


def repair_deleted_index(mirror: Mirror, finding: Finding) -> None:
    """Delete a file, or let its page be written again."""
    if finding.kind in (FindingKind.EXTRA, FindingKind.LEFTOVER):
        mirror.store.delete_files([finding.path])
    else:
        mirror.state.kept_files.distrust_pages(finding.project or "")


def remaining_problem(mirror: Mirror, finding: Finding) -> str | None:
    """Return what is still wrong with a file, or None."""
    if finding.kind in (FindingKind.EXTRA, FindingKind.LEFTOVER):
        there = mirror.store.file_digest(finding.path) is not None
        return "it is still there" if there else None
    for file in deleted_index.expected_files(mirror, finding.project or ""):
        if file.path == finding.path and (kind := _difference(mirror, file)) is not None:
            return f"still {kind}"
    return None
