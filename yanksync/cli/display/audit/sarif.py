"""The report as SARIF 2.1.0.

Each kind is a rule, each finding a result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from yanksync import __version__
from yanksync.cli.display.audit.sentences import pin_text, sentence
from yanksync.cli.display.report_rows import rfc3339
from yanksync.cli.error_handling import printable
from yanksync.core.pins import Pin
from yanksync.reports.audit.findings import (
    MEANINGS,
    AuditReport,
    Finding,
    FindingKind,
    PinVerdict,
)

_KINDS = tuple(FindingKind)
_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_SPECIAL = re.compile(r"([\\\[\]])")


class _Sarif(Struct, rename="camel", omit_defaults=True):
    """A part of the document; unknown values are left out."""


class _Message(_Sarif):
    text: str


class _Rule(_Sarif):
    id: str
    name: str
    short_description: _Message


class _Driver(_Sarif):
    name: str
    version: str
    rules: list[_Rule]


class _Tool(_Sarif):
    driver: _Driver


class _Artifact(_Sarif):
    uri: str


class _Region(_Sarif):
    start_line: int


class _Physical(_Sarif):
    artifact_location: _Artifact
    region: _Region | None = None


class _Logical(_Sarif):
    fully_qualified_name: str
    kind: str


class _Location(_Sarif):
    logical_locations: list[_Logical]
    physical_location: _Physical | None = None


class _Suppression(_Sarif):
    kind: str


class _Properties(Struct):
    reason: str | None  # upstream's exact text
    since: str | None
    nearest: str | None


class _Result(_Sarif):
    rule_id: str
    rule_index: int
    level: str
    message: _Message
    locations: list[_Location]
    partial_fingerprints: dict[str, str]
    properties: _Properties
    suppressions: list[_Suppression] = field(default_factory=list)


class _Run(_Sarif):
    tool: _Tool
    column_kind: str
    results: list[_Result]


class _Log(_Sarif):
    version: str
    runs: list[_Run]
    schema: str | None = field(name="$schema", default=None)


def render_sarif(report: AuditReport) -> Iterator[str]:
    """Yield the document."""
    rules = [
        _Rule(id=kind.value, name=_camel(kind), short_description=_Message(text=MEANINGS[kind]))
        for kind in _KINDS
    ]
    results = [
        _result(report, verdict, finding)
        for verdict in report.found
        for finding in verdict.findings
    ]
    driver = _Driver(name="yanksync", version=__version__, rules=rules)
    run = _Run(tool=_Tool(driver=driver), column_kind="unicodeCodePoints", results=results)
    log = _Log(schema=_SCHEMA, version="2.1.0", runs=[run])
    yield msgspec.json.format(msgspec.json.encode(log)).decode()


def _result(report: AuditReport, verdict: PinVerdict, finding: Finding) -> _Result:
    counts = finding.kind in report.fail_on and not verdict.ignored
    return _Result(
        rule_id=finding.kind.value,
        rule_index=_KINDS.index(finding.kind),
        level="error" if counts else "note",
        message=_Message(text=_plain(sentence(verdict, finding))),
        locations=[_location(verdict.pin)],
        partial_fingerprints={"pin/v1": f"{verdict.pin.path}:{pin_text(verdict.pin)}"},
        suppressions=[_Suppression(kind="external")] if verdict.ignored else [],
        properties=_Properties(finding.reason, rfc3339(finding.since), verdict.nearest),
    )


def _plain(text: str) -> str:
    """Escape links and placeholders in a message (SARIF 3.11.5, 3.11.6)."""
    return _SPECIAL.sub(r"\\\1", printable(text)).replace("{", "{{").replace("}", "}}")


def _location(pin: Pin) -> _Location:
    name = [_Logical(fully_qualified_name=pin_text(pin), kind="module")]
    if not pin.path:
        return _Location(logical_locations=name)
    region = None if pin.line is None else _Region(start_line=pin.line)
    place = _Physical(artifact_location=_Artifact(uri=_uri(pin.path)), region=region)
    return _Location(physical_location=place, logical_locations=name)


def _uri(path: str) -> str:
    """Return a relative path as the URI of a file."""
    if Path(path).is_absolute():
        return Path(path).as_uri()
    return quote(PurePath(path).as_posix())


def _camel(kind: FindingKind) -> str:
    return "".join(word.capitalize() for word in kind.value.split("-"))
