"""Compares an output with the files that bundles brought.

A package file with other bytes is taken out of service. Only a bundle can bring it back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.errors import PublishError
from yanksync.core.model import PublishedForms
from yanksync.core.names import normalize
from yanksync.mirror.context import log
from yanksync.mirror.progress import Progress
from yanksync.output.comparison import Finding, FindingKind, compare_directory
from yanksync.output.digests import new_digest
from yanksync.output.inventory import DirectoryContent, expected_files, is_project_directory
from yanksync.output.package_store import PackageStore
from yanksync.output.store import Store
from yanksync.state.bundles.received import ReceivedFile
from yanksync.state.state import State
from yanksync.sync.package_files.hashing import ReadPace, read_into
from yanksync.verify.file_judgement import judge_file
from yanksync.verify.summary import CheckSummary, FileCheck

BATCH = 500
_COPIES = frozenset(layout.compressed_names(layout.SUFFIX))


class ReceivedOutput(Struct, frozen=True, eq=False):
    """An output that bundles feed."""

    state: State
    store: Store
    packages: PackageStore
    progress: Progress


def check_received(
    output: ReceivedOutput, files: FileCheck, summary: CheckSummary
) -> Iterator[Finding]:
    """Yield how the output differs from what bundles brought, and count it."""
    counts = output.state.received.counts()
    output.progress.expect("checking the output", counts.projects + counts.files)
    parts = (
        _pages(output, summary),
        _other_files(output),
        _package_files(output, files, summary),
        _extra_pages(output),
        _extra_files(output),
    )
    for part in parts:
        for finding in part:
            summary.kinds[finding.kind] += 1
            yield finding


def _below(output: ReceivedOutput, directory: str, limit: int) -> Iterator[list[ReceivedFile]]:
    """Yield all files below a directory, in batches."""
    after = ""
    while batch := output.state.received.batch(directory, after, limit):
        after = batch[-1].path
        yield batch


def _pages(output: ReceivedOutput, summary: CheckSummary) -> Iterator[Finding]:
    for files in _below(output, layout.ROOT, 2 * BATCH):
        pages = dict(_forms(files))
        names = [name for name in pages if name is not None]
        contents = dict(zip(names, output.store.directory_contents(names), strict=True))
        for name, (html, json) in pages.items():
            content = output.store.directory_content(None) if name is None else contents[name]
            copies = _COPIES.intersection(entry.name for entry in content.entries)
            wanted = expected_files(PublishedForms(json, html, tuple(copies)))
            yield from compare_directory(name, wanted, content)
        summary.projects += len(names)
        output.progress.advance(len(names))


def _forms(files: Sequence[ReceivedFile]) -> Iterator[tuple[str | None, tuple[bytes, bytes]]]:
    """Yield the digests of each page.

    Its HTML is directly before its JSON.
    """
    for html, json in zip(files[::2], files[1::2], strict=True):
        name = html.path.removeprefix(f"{layout.ROOT}/").rpartition("/")[0]
        yield name or None, (html.digest, json.digest)


def _other_files(output: ReceivedOutput) -> Iterator[Finding]:
    for directory in (layout.DELETED_ROOT, layout.WITHDRAWALS):
        for files in _below(output, directory, BATCH):
            for file in files:
                yield from _other_file(output, file)


def _other_file(output: ReceivedOutput, file: ReceivedFile) -> Iterator[Finding]:
    try:
        digest = output.store.file_digest(file.path)
    except PublishError as error:
        yield _found(FindingKind.UNCHECKED, file.path, error.problem)
        return
    if digest is None:
        yield _found(FindingKind.MISSING, file.path)
    elif digest != file.digest:
        yield _found(FindingKind.DIFFERENT, file.path)


def _package_files(
    output: ReceivedOutput, request: FileCheck, summary: CheckSummary
) -> Iterator[Finding]:
    pace = ReadPace(request.rate, time.monotonic, time.sleep)
    for files in _below(output, layout.PACKAGES, BATCH):
        entries = output.packages.package_entries([file.path for file in files])
        for file in files:
            entry = entries.get(file.path)
            read = partial(_bytes_problem, output, file, pace) if request.read else None
            judgement = judge_file(entry, file.size, read)
            if judgement is not None:
                found = _found(judgement[0], file.path, judgement[1])
                is_altered = found.kind is FindingKind.ALTERED
                yield _taken_out(output, found, request) if is_altered else found
            elif entry is not None and entry.wrong_mode is not None:
                yield _found(FindingKind.MODE, file.path, entry.wrong_mode)
            is_file = not file.path.endswith(".metadata")
            summary.files += is_file
            output.progress.advance(is_file)


def _bytes_problem(output: ReceivedOutput, file: ReceivedFile, pace: ReadPace) -> str | None:
    found = new_digest()
    problem = read_into(found, output.packages, file.path, pace)
    if problem is not None or found.digest() == file.digest:
        return problem
    return "its bytes are not those of the bundle"


def _taken_out(output: ReceivedOutput, found: Finding, request: FileCheck) -> Finding:
    """Take an altered file out of service.

    Returns a text for its finding.
    """
    more = "it is still served, because this user may not change that"
    if request.may_write:
        try:
            kept = output.packages.set_aside([found.path])
            more = "it is not served any more" + (f", and is in {kept}" if kept else "")
        except PublishError as error:
            log.error("%s", error)
            more = "it is still served"
    return _found(found.kind, found.path, f"{found.detail}; {more}")


def _extra_pages(output: ReceivedOutput) -> Iterator[Finding]:
    if not output.store.directory_content(None).exists:
        return
    names = output.store.names()
    while batch := list(islice(names, BATCH)):
        paths = {name: f"{layout.directory(name)}/{layout.V1_JSON.filename}" for name in batch}
        known = output.state.received.known(paths.values())
        for name, path in paths.items():
            if path not in known and _is_ours(name, output.store.directory_content(name)):
                yield _found(FindingKind.EXTRA, f"{layout.directory(name)}/", project=name)


def _is_ours(name: str, content: DirectoryContent) -> bool:
    return normalize(name) == name and (
        content.problem is not None or is_project_directory(content)
    )


def _extra_files(output: ReceivedOutput) -> Iterator[Finding]:
    """Yield the package files that no bundle brought."""
    paths = output.packages.packages()
    while batch := list(islice(paths, BATCH)):
        known = output.state.received.known(batch)
        for path in batch:
            if path not in known:
                yield _found(FindingKind.UNREFERENCED, path)


def _found(
    kind: FindingKind, path: str, detail: str | None = None, project: str | None = None
) -> Finding:
    return Finding(kind=kind, project=project, path=path, detail=detail)
