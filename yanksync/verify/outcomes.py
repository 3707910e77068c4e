"""Finds out whether a repair corrected each finding."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.mirror.context import Mirror
from yanksync.output.comparison import DIFFERENCES, NOTES, Finding, FindingKind
from yanksync.state.project_rows import ProjectRow
from yanksync.verify import deleted_index
from yanksync.verify.check import BATCH, check_list, check_project
from yanksync.verify.deleted_index import is_about_deleted_index
from yanksync.verify.summary import is_about_files
from yanksync.verify.withdrawals import is_about_withdrawals, remaining_problem

_MEMORY = 1 << 24  # bytes of findings that are kept in memory


class Outcome(Struct, frozen=True):
    """What became of a finding."""

    corrected: bool
    why: str | None = None  # why it was not corrected


class Kept:
    """Findings without an outcome yet, in a file if many."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_MEMORY, "w+", encoding="ascii")  # noqa: SIM115

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, finding: Finding) -> None:
        """Keep a finding."""
        values = (finding.kind, finding.project, finding.path, finding.detail)
        self._file.write(json.dumps(values) + "\n")  # as ASCII: paths may have lone surrogates

    def all(self) -> Iterator[Finding]:
        """Yield the findings, in order."""
        self._file.seek(0)
        for line in self._file:
            kind, project, path, detail = json.loads(line)
            yield Finding(kind=FindingKind(kind), project=project, path=path, detail=detail)


def outcomes(mirror: Mirror, kept: Kept) -> Iterator[tuple[Finding, Outcome | None]]:
    """Yield each finding with its outcome; None for notes.

    Notes need no repair.
    """
    findings = kept.all()
    list_problem = _first_problem(check_list(mirror))
    while batch := list(islice(findings, BATCH)):
        looked = _Again(mirror, batch, list_problem)
        for finding in batch:
            if finding.kind in NOTES:
                yield finding, None
            else:
                why = looked.problem(finding)
                yield finding, Outcome(why is None, why)


class _Again:
    """A second look at the projects of some findings."""

    def __init__(self, mirror: Mirror, batch: Sequence[Finding], list_problem: str | None) -> None:
        self._mirror = mirror
        self._list_problem = list_problem
        names = {NormalizedName(one.project) for one in batch if one.project is not None}
        rows: dict[str, ProjectRow] = {
            row.name: row for row in mirror.state.projects.get(names).values()
        }
        self._rows = rows
        self._waiting = mirror.state.publish_queue.waiting([row.id for row in rows.values()])
        present = [row for row in rows.values() if self._is_published(row)]
        standings = mirror.store.directory_contents([row.name for row in present])
        self._left: dict[str, str] = {}
        for row, content in zip(present, standings, strict=True):
            for finding in check_project(mirror, row, content):
                if _is_problem(finding):
                    self._left.setdefault(finding.path, finding.detail or f"still {finding.kind}")

    def _is_published(self, row: ProjectRow) -> bool:
        return row.presence is Presence.PRESENT and row.id not in self._waiting

    def problem(self, finding: Finding) -> str | None:
        """Return why a finding is not corrected; None if it is."""
        if is_about_withdrawals(finding):
            return remaining_problem(self._mirror, finding)
        if is_about_deleted_index(finding):
            return deleted_index.remaining_problem(self._mirror, finding)
        if is_about_files(finding):
            from yanksync.verify import package_repair  # start-up: few mirrors copy files

            return package_repair.remaining_problem(self._mirror, finding)
        if not finding.path.startswith(layout.ROOT) and finding.kind is not FindingKind.UPSTREAM:
            return finding.detail or "upstream did not answer for it"
        if finding.project is None:
            return self._list_problem
        row = self._rows.get(finding.project)
        if finding.kind is FindingKind.UPSTREAM and self._mirror.state.fetch_queue.has(
            finding.project
        ):
            return "its page is still to be fetched"
        if row is not None and row.id in self._waiting:
            held = self._waiting[row.id]
            return "it waits to be published" if held is None else f"held: {held}"
        if row is not None and row.presence is Presence.PRESENT:
            return self._left.get(finding.path)
        is_there = self._mirror.store.directory_content(finding.project).exists
        return "it is still there" if is_there else None


def _is_problem(finding: Finding) -> bool:
    return finding.kind in DIFFERENCES or finding.kind is FindingKind.UNCHECKED


def _first_problem(findings: Iterator[Finding]) -> str | None:
    for finding in findings:
        if finding.kind is FindingKind.UNPUBLISHED:
            return "the list waits to be published"
        if _is_problem(finding):
            return finding.detail or f"still {finding.kind}"
    return None
