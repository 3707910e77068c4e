"""Compares an output with the files that bundles brought.

A package file with other bytes is taken out of service. Only a bundle can bring it back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.bundles.members import is_ours, member_of
from yanksync.core.errors import PublishError
from yanksync.core.model import PublishedForms
from yanksync.mirror.context import log, say
from yanksync.mirror.progress import Progress
from yanksync.output.comparison import (
    Finding,
    FindingKind,
    compare_directory,
    unexpected_directory,
)
from yanksync.output.digests import new_digest
from yanksync.output.inventory import expected_files
from yanksync.output.package_store import PackageEntry, PackageStore
from yanksync.output.store import Store
from yanksync.state.bundles.received import ReceivedFile
from yanksync.state.facts import PackageCheck
from yanksync.state.state import State
from yanksync.sync.package_files.hashing import ReadPace, read_into
from yanksync.verify.file_judgement import judge_file
from yanksync.verify.summary import GOES_ON, SAVED, CheckSummary, FileCheck

BATCH = 500
_COPIES = frozenset(layout.compressed_names(layout.SUFFIX))


class ReceivedOutput(Struct, frozen=True, eq=False):
    """An output that bundles feed."""

    state: State
    store: Store
    packages: PackageStore
    progress: Progress
    monotonic: Callable[[], float] = time.monotonic


def check_received(
    output: ReceivedOutput, files: FileCheck, summary: CheckSummary
) -> Iterator[Finding]:
    """Yield how the output differs from what bundles brought, and count it."""
    counts = output.state.received.counts()
    output.progress.expect("checking the output", counts.projects + counts.files)
    parts = (
        _pages(output, summary),
        _other_files(output),
        _PackageFiles(output, files, summary).findings(counts.files),
        _extra_pages(output),
        _unexpected_files(output),
        _extra_files(output),
    )
    for part in parts:
        for finding in part:
            summary.kinds[finding.kind] += 1
            yield finding


def _below(
    output: ReceivedOutput, directory: str, limit: int, after: str = ""
) -> Iterator[list[ReceivedFile]]:
    """Yield all files below a directory, in batches.

    They are those behind the path ``after``.
    """
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


class _PackageFiles:
    """Goes through all package files that bundles brought, by path."""

    def __init__(self, output: ReceivedOutput, request: FileCheck, summary: CheckSummary) -> None:
        self._output, self._request, self._summary = output, request, summary
        self._pace = ReadPace(request.rate, time.monotonic, time.sleep)
        self._saved = output.monotonic()

    def findings(self, total: int) -> Iterator[Finding]:
        """Yield what is wrong with these ``total`` files.

        Altered ones are out of service then.
        """
        path = self._begin(total)
        try:
            for files in _below(self._output, layout.PACKAGES, BATCH, path):
                entries = self._output.packages.package_entries([file.path for file in files])
                for file in files:
                    found = self._check(file, entries.get(file.path))
                    path = file.path
                    self._note(path)
                    if found is not None:
                        yield found
            path = ""
        finally:
            self._save(path)

    def _begin(self, total: int) -> str:
        """Return the path behind which the check begins."""
        output, path = self._output, ""
        if self._request.read:
            path = output.state.facts.package_check.received or ""
        if path:
            done = output.state.received.files_up_to(path)
            say(output.progress, GOES_ON.format(done, total))
            output.progress.advance(done)
        return path

    def _check(self, file: ReceivedFile, entry: PackageEntry | None) -> Finding | None:
        read = partial(_bytes_problem, self._output, file, self._pace)
        judgement = judge_file(entry, file.size, read if self._request.read else None)
        if judgement is not None:
            found = _found(judgement[0], file.path, judgement[1])
            is_altered = found.kind is FindingKind.ALTERED
            return _taken_out(self._output, found, self._request) if is_altered else found
        if entry is not None and entry.wrong_mode is not None:
            return _found(FindingKind.MODE, file.path, entry.wrong_mode)
        return None

    def _note(self, path: str) -> None:
        """Count a file; now and then save the progress."""
        is_file = not path.endswith(".metadata")
        self._summary.files += is_file
        self._output.progress.advance(is_file)
        if self._request.read and self._output.monotonic() - self._saved >= SAVED:
            self._saved = self._output.monotonic()
            self._save(path)

    def _save(self, path: str) -> None:
        """Remember how far the reading is; "": it is done."""
        if self._request.read and self._request.may_write:
            self._output.state.facts.change(PackageCheck, received=path or None)


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
            if path not in known:
                yield unexpected_directory(name, output.store.directory_content(name))


def _unexpected_files(output: ReceivedOutput) -> Iterator[Finding]:
    """Yield files beside the pages that no bundle brought."""
    for directory in (layout.DELETED_ROOT, layout.WITHDRAWALS):
        paths = output.store.list_files(directory)
        while batch := list(islice(paths, BATCH)):
            known = output.state.received.known({member_of(path) for path in batch})
            for path in batch:
                if member_of(path) not in known:
                    yield _found(FindingKind.EXTRA if is_ours(path) else FindingKind.FOREIGN, path)


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
