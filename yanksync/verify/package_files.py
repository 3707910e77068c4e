"""Compares the copies of package files with what was copied.

A copy with other bytes is taken out of service as soon as it is found. Everything else waits for
:mod:`yanksync.verify.package_repair`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from msgspec.structs import replace

from yanksync.core.errors import PublishError
from yanksync.core.package_files.copies import CopyStatus, PackageFile
from yanksync.core.package_files.paths import metadata_path, strongest
from yanksync.mirror.context import Mirror, log
from yanksync.output.comparison import Finding, FindingKind
from yanksync.output.package_store import PackageEntry
from yanksync.state.facts import PackageCheck
from yanksync.state.package_files.copy_counts import LACKING
from yanksync.sync.package_files.altered import AlteredCopy, take_out_altered
from yanksync.sync.package_files.hashing import hash_problem, read_pace
from yanksync.verify.file_judgement import Judgement, judge_file
from yanksync.verify.summary import GOES_ON, SAVED, CheckSummary, FileCheck

BATCH = 500
_FOUND_BEFORE = "a run that was interrupted has found that its bytes are others"


def check_files(mirror: Mirror, request: FileCheck, summary: CheckSummary) -> Iterator[Finding]:
    """Yield what is wrong with package files.

    Call it outside of a transaction. Raises :class:`yanksync.core.errors.YanksyncError`.
    """
    if mirror.package_store is None:
        return
    yield from _CopyCheck(mirror, request, summary).findings()
    yield from _out_of_service(mirror)
    found = 0
    if mirror.settings.copies_files:  # otherwise they may belong to another program
        for finding in _unreferenced(mirror):
            found += 1
            yield finding
    if not found and request.may_write and mirror.state.facts.package_check.held is not None:
        drop_hold(mirror)


def drop_hold(mirror: Mirror) -> None:
    """Forget that a repair found too many unreferenced files."""
    check = mirror.state.facts.package_check
    mirror.state.facts.write(PackageCheck(position=check.position, received=check.received))


class _CopyCheck:
    """Goes through all copies that are served."""

    def __init__(self, mirror: Mirror, request: FileCheck, summary: CheckSummary) -> None:
        self._mirror = mirror
        self._request = request
        self._summary = summary
        self._pace = read_pace(mirror, request.rate)
        self._altered: list[AlteredCopy] = []
        self._saved = mirror.monotonic()

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, once altered copies are out of service."""
        checks, position = self._mirror.state.copy_checks, self._begin()
        limit = 1 if self._request.read else BATCH  # reading one file may take long
        try:
            yield from self._known_to_be_altered()
            yield from self._left_in_place()
            while batch := checks.served(position, limit):
                paths = [path for copy in batch for path in _looked_at(copy)]
                entries = self._mirror.packages.package_entries(paths)
                found = [one for copy in batch for one in self._check(copy, entries)]
                self._take_out()
                position = batch[-1].id
                self._note(batch, position)
                yield from found
            position = 0
        finally:
            if self._request.read:
                self._save(position)

    def _known_to_be_altered(self) -> Iterator[Finding]:
        """Take out altered copies that a dead run left.

        Upstream has removed their files, so no pass downloads them again.
        """
        checks, after = self._mirror.state.copy_checks, 0
        while batch := checks.altered(BATCH, after):
            after = batch[-1].id
            entries = self._mirror.packages.package_entries(_with_metadata(batch))
            left = [copy for copy in batch if not entries.keys().isdisjoint(_with_metadata([copy]))]
            found = [self._altered_copy(copy, copy.path, _FOUND_BEFORE) for copy in left]
            self._take_out()
            if self._request.may_write:
                checks.forget_altered([copy.path for copy in batch if copy not in left])
            yield from found

    def _left_in_place(self) -> Iterator[Finding]:
        """Take altered copies out of service that a dead run found."""
        checks, after = self._mirror.state.copy_checks, 0
        while self._request.read and (batch := checks.wanted(float("inf"), BATCH, after)):
            entries = self._mirror.packages.package_entries(_with_metadata(batch))
            for copy in batch:
                if (entry := entries.get(copy.path)) is not None:
                    beside = metadata_path(copy.path) in entries
                    standing = replace(copy, size=entry.size, has_metadata=beside)
                    yield from self._check(standing, entries)
            self._take_out()
            after = batch[-1].id

    def _begin(self) -> int:
        """Return the number of the last copy that needs no check."""
        mirror, read = self._mirror, self._request.read
        position = mirror.state.facts.package_check.position or 0 if read else 0
        total, left = mirror.state.copy_checks.total(), mirror.state.copy_checks.total(position)
        if position:
            mirror.say(GOES_ON.format(total.files - left.files, total.files))
        if read:
            done = total.files - left.files
            mirror.progress.expect("reading package files", total.files, done, size=left.bytes)
        else:
            mirror.progress.expect("checking package files", total.files)
        return position

    def _check(self, copy: PackageFile, entries: Mapping[str, PackageEntry]) -> Iterator[Finding]:
        """Check one copy, then its metadata unless the copy is wrong already."""
        for path in _paths(copy):
            entry = entries.get(path)
            found = self._judge(copy, path, entry)
            if found is not None:
                kind, why = found
                if kind is FindingKind.ALTERED:
                    yield self._altered_copy(copy, path, why or "it is another file")
                else:
                    yield _found(kind, copy, path, why)
                break
            if entry is not None and entry.wrong_mode is not None:
                yield _found(FindingKind.MODE, copy, path, entry.wrong_mode)
        left = metadata_path(copy.path)
        if left in entries and left not in _paths(copy):
            yield self._altered_copy(copy, left, _FOUND_BEFORE)
        self._summary.files += 1

    def _altered_copy(self, copy: PackageFile, path: str, why: str) -> Finding:
        """Note an altered copy for :meth:`_take_out`; return the finding."""
        self._altered.append(AlteredCopy(copy, path, why))
        if not self._request.may_write:
            why = f"{why}; it is still served, because this user may not change that"
        return _found(FindingKind.ALTERED, copy, path, why)

    def _judge(self, copy: PackageFile, path: str, entry: PackageEntry | None) -> Judgement | None:
        """Return what is wrong with a file, and why."""
        is_copy = path == copy.path
        hashes = copy.file.hashes if is_copy else copy.file.core_metadata
        wanted = strongest(hashes) if isinstance(hashes, tuple) else None
        packages, only = self._mirror.packages, copy.kept
        read = partial(hash_problem, packages, path, wanted, self._pace, is_only=only)
        return judge_file(
            entry, copy.size if is_copy else None, read if self._request.read else None
        )

    def _take_out(self) -> None:
        """Take the altered copies that were found out of service."""
        altered, self._altered = self._altered, []
        if not self._request.may_write:
            return
        try:
            take_out_altered(self._mirror, altered)
        except PublishError as error:  # the other files are checked all the same
            self._mirror.state.facts.put(output_problem=str(error))
            log.error("%s; an altered file is served until the next pass replaces it", error)

    def _note(self, batch: Sequence[PackageFile], position: int) -> None:
        """Count copies; sometimes save the progress."""
        mirror = self._mirror
        if not self._request.read:
            mirror.progress.advance(len(batch))
            return
        mirror.progress.advance(len(batch), size=sum(copy.size or 0 for copy in batch))
        if mirror.monotonic() - self._saved >= SAVED:
            self._saved = mirror.monotonic()
            self._save(position)

    def _save(self, position: int) -> None:
        """Remember how far the reading is; 0: it is done."""
        if self._request.may_write:
            self._mirror.state.facts.change(PackageCheck, position=position or None)


def _paths(copy: PackageFile) -> tuple[str, ...]:
    """Return the paths of a copy and of its metadata."""
    return (copy.path, metadata_path(copy.path)) if copy.has_metadata else (copy.path,)


def _looked_at(copy: PackageFile) -> tuple[str, ...]:
    """Return the paths of a copy and of possible metadata.

    A run that died may have left altered metadata beside a removed file.
    """
    return (copy.path, metadata_path(copy.path)) if copy.kept else _paths(copy)


def _with_metadata(copies: Sequence[PackageFile]) -> list[str]:
    return [path for copy in copies for path in (copy.path, metadata_path(copy.path))]


def _out_of_service(mirror: Mirror) -> Iterator[Finding]:
    """Yield copies out of service that are still served, or are nowhere."""
    after = 0
    while batch := mirror.state.copy_checks.outside(BATCH, after):
        after = batch[-1].id
        leaving = [one.path for one in batch if one.status is CopyStatus.LEAVING]
        served = mirror.packages.package_entries(leaving)
        lacking = mirror.packages.lacking(one.path for one in batch)
        for copy in batch:
            if copy.path in served:
                why = f"no page names it, but its address still works: {copy.cause}"
                yield _found(FindingKind.WITHDRAWN, copy, copy.path, why)
            elif copy.path in lacking:
                yield _found(FindingKind.MISSING, copy, copy.path, LACKING)


def _unreferenced(mirror: Mirror) -> Iterator[Finding]:
    """Yield files below ``packages/`` whose paths belong to no copy."""
    mirror.progress.expect("looking for unreferenced files", 0)
    paths = mirror.packages.packages()
    while batch := list(islice(paths, BATCH)):
        for path in mirror.state.copy_checks.unknown(batch):
            yield Finding(kind=FindingKind.UNREFERENCED, project=None, path=path)
        mirror.progress.advance(len(batch))


def _found(kind: FindingKind, copy: PackageFile, path: str, detail: str | None) -> Finding:
    return Finding(kind=kind, project=copy.project, path=path, detail=detail)
