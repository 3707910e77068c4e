"""The report as JUnit's XML.

Each file is a suite, each pin a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from lxml import etree

from yanksync.cli.display.audit.sentences import pin_text, sentence
from yanksync.cli.error_handling import printable
from yanksync.reports.audit.findings import AuditReport, PinVerdict


def render_junit(report: AuditReport) -> Iterator[str]:
    """Yield the document; control characters are escaped, as XML forbids them."""
    root = etree.Element("testsuites", name="yanksync audit")
    ordered = sorted(report.verdicts, key=lambda one: one.pin.path)  # stable: lines keep order
    for path, some in groupby(ordered, key=lambda one: one.pin.path):
        cases = list(some)
        failures = sum(report.counts(one) for one in cases)
        skipped = sum(bool(one.findings) for one in cases) - failures
        suite = etree.SubElement(
            root,
            "testsuite",
            name=printable(path or "installed"),
            tests=str(len(cases)),
            failures=str(failures),
            errors="0",
            skipped=str(skipped),
        )
        for one in cases:
            _add_case(suite, report, one)
    yield etree.tostring(
        root, encoding="unicode", pretty_print=True, doctype='<?xml version="1.0"?>'
    )


def _add_case(suite: etree._Element, report: AuditReport, verdict: PinVerdict) -> None:
    pin = verdict.pin
    case = etree.SubElement(
        suite,
        "testcase",
        classname=printable(pin.path or "installed"),
        name=printable(pin_text(pin)),
        time="0",
    )
    if pin.path:
        case.set("file", printable(pin.path))
    if pin.line is not None:
        case.set("line", str(pin.line))
    if not verdict.findings:
        return
    text = "\n".join(printable(sentence(verdict, one)) for one in verdict.findings)
    kinds = ", ".join(one.kind for one in verdict.findings)
    if report.counts(verdict):
        failure = etree.SubElement(case, "failure", message=text.partition("\n")[0], type=kinds)
        failure.text = text
    else:
        etree.SubElement(case, "skipped", message=text.partition("\n")[0])
