"""Repairs what :mod:`yanksync.verify.package_files` finds, and deletes what no page names.

Files that no page names are deleted only if they are few, or if a person has approved exactly
these. After an older state was restored, files that only the newer state knew look the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice

from yanksync.core.errors import PublishError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.package_files.copies import CopyStatus
from yanksync.core.rules.removal_guard import UNEXPLAINED_FLOOR, removal_limit
from yanksync.mirror.context import Mirror, log
from yanksync.output.comparison import Finding, FindingKind
from yanksync.state.facts import PackageCheck
from yanksync.state.package_files.copy_counts import LACKING
from yanksync.sync.package_files.altered import want_again
from yanksync.sync.package_files.withdraw import take_out
from yanksync.verify.package_files import BATCH, drop_hold


class FileRepairer:
    """Repairs findings about package files."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self.needs_upstream = False  #: whether files must be downloaded again

    def mark(self, findings: Sequence[Finding]) -> None:
        """Repair some findings.

        An altered copy is out of service already.
        """
        lost = {one.path for one in findings if one.detail == LACKING}
        missing = [
            one.path for one in findings if one.kind is FindingKind.MISSING and one.path not in lost
        ]
        want_again(self._mirror, missing)
        self._mirror.state.copy_checks.forget_lacking(lost)
        if any(one.kind is FindingKind.WITHDRAWN for one in findings):
            take_out(self._mirror)
        for one in findings:
            if one.kind is FindingKind.MODE:
                self._reset_mode(one.path)
        altered = any(one.kind is FindingKind.ALTERED for one in findings)
        self.needs_upstream = self.needs_upstream or altered or bool(missing)

    def drop_old_hold(self) -> None:
        """Drop an old hold: the pass must not count it."""
        self._mirror.state.facts.change(PackageCheck, held=None)

    def _reset_mode(self, path: str) -> None:
        """Give a file its mode.

        A file of another user does not stop the rest.
        """
        try:
            self._mirror.packages.reset_package_modes([path])
        except PublishError as error:
            log.error("%s; its mode stays as it is", error)

    def delete_unreferenced(self, findings: Callable[[], Iterator[Finding]]) -> ExitCode | None:
        """Delete the files that no page names.

        Returns an exit code if they are too many. ``findings`` yields all findings, each time from
        the first one on.
        """
        facts = self._mirror.state.facts
        if facts.recovery.serial is not None:  # the state may lack files that are right
            return None
        digest, count = blake2b(digest_size=16), 0
        for path in self._unreferenced(findings()):
            digest.update(path.encode("utf-8", "surrogateescape") + b"\n")
            count += 1
        found = digest.hexdigest()
        why = None if facts.package_check.approved == found else self._objection(count)
        if why is not None:
            log.error("held: %s; see 'yanksync holds'", why)
            since = facts.package_check.held_since or self._mirror.now()
            facts.change(
                PackageCheck, unreferenced=found, held=why, held_since=since, approved=None
            )
            return ExitCode.HELD
        paths = self._unreferenced(findings())
        while batch := list(islice(paths, BATCH)):
            self._mirror.packages.delete_packages(batch)
        drop_hold(self._mirror)
        return None

    def _unreferenced(self, findings: Iterator[Finding]) -> Iterator[str]:
        """Yield files that no page names after the repair."""
        found = (one.path for one in findings if one.kind is FindingKind.UNREFERENCED)
        while batch := list(islice(found, BATCH)):
            yield from self._mirror.state.copy_checks.unknown(batch)

    def _objection(self, count: int) -> str | None:
        """Return why this many files must not be deleted; None: delete them."""
        copies = self._mirror.state.copy_checks.total().files
        limit = removal_limit(UNEXPLAINED_FLOOR, self._mirror.settings.guard.unexplained, copies)
        if count <= limit:
            return None
        return (
            f"no page names {count} files below packages/, where {copies} copies are; {limit} may "
            "be deleted in one run"
        )


def remaining_problem(mirror: Mirror, finding: Finding) -> str | None:
    """Return what is still wrong with a file; or None."""
    entry = mirror.packages.package_entries([finding.path]).get(finding.path)
    if finding.kind is FindingKind.UNREFERENCED:
        held = mirror.state.facts.package_check.held
        return None if entry is None else f"held: {held}" if held else "it is still there"
    if finding.kind is FindingKind.WITHDRAWN:
        return None if entry is None else "it could not be moved"
    if finding.kind is FindingKind.MODE:
        return None if entry is None else entry.wrong_mode
    if finding.kind is FindingKind.UNCHECKED:
        return finding.detail
    known = mirror.state.copy_checks.state_of(finding.path)
    if known is None or known.status is not CopyStatus.WANTED:
        return None
    return known.problem or "it waits to be downloaded again"
