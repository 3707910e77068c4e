"""How a page of another index differs from what the state holds."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.reports.test_judgement import DEMO, file, page, row
from yanksync.core.model import File, Page, sorted_hashes
from yanksync.reports.audit.findings import ProjectFacts
from yanksync.reports.compare.differences import Comparison, Difference, DifferenceKind
from yanksync.reports.compare.pages import compare
from yanksync.state.views.history_rows import HistoryRow

WHL, TAR = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
FINE = page(file("1.0"), file("2.0"))
YANKED = page(file("1.0", yanked="bad"), file("2.0"))
EMPTY = page()
QUARANTINED = page(status="quarantined", reason="malware")
YANK, REMOVE = row("yank", 5), row("remove", 5)
REMOVE_ALL = row("remove", 5, None)


def uploaded(one: File, at: str) -> File:
    return replace(one, upload_time=at)


def at(shown: Page, serial: int) -> Page:
    return replace(shown, serial=serial)


def found(
    held: Page | None, shown: Page | None, *events: HistoryRow, html: bool = False
) -> list[Difference]:
    facts = ProjectFacts(name=DEMO, page=held, gone=held is None, events=events)
    return list(compare(facts, shown, html=html))


@pytest.mark.parametrize(
    ("held", "shown", "events", "wanted"),
    [
        pytest.param(FINE, FINE, (), [], id="equal"),
        pytest.param(YANKED, YANKED, (YANK,), [], id="equally yanked"),
        pytest.param(YANKED, FINE, (YANK,), [("mark-missing", "1.0", 5)], id="no mark"),
        pytest.param(YANKED, FINE, (), [("mark-missing", "1.0", None)], id="no mark, no history"),
        pytest.param(
            FINE, YANKED, (YANK, row("unyank", 6)), [("mark-extra", "1.0", 6)], id="mark of before"
        ),
        pytest.param(
            YANKED,
            page(file("1.0", yanked=""), file("2.0")),
            (YANK,),
            [("reason-lost", "1.0", 5)],
            id="no reason",
        ),
        pytest.param(
            YANKED,
            page(file("1.0", yanked="good"), file("2.0")),
            (YANK,),
            [("reason-differs", "1.0", 5)],
            id="other reason",
        ),
        pytest.param(
            page(file("2.0")), FINE, (REMOVE,), [("removed-offered", "1.0", 5)], id="removed"
        ),
        pytest.param(
            page(file("2.0")),
            FINE,
            (row("remove", 5, "1.0.0"), row("averted", 6)),
            [("removed-offered", "1.0", 6)],
            id="the newest removal, of an equal version",
        ),
        pytest.param(
            page(file("2.0")),
            FINE,
            (row("remove", 5, None), row("return", 6, None)),
            [("removed-offered", "1.0", 5)],
            id="of a project that was created again",
        ),
        pytest.param(
            page(file("2.0")),
            page(uploaded(file("1.0"), "1970-01-01T00:00:06Z"), file("2.0")),
            (REMOVE,),
            [("file-unknown", None, None)],
            id="uploaded after the removal",
        ),
        pytest.param(
            page(file("2.0")),
            FINE,
            (row("quarantine", 5),),
            [("quarantined-offered", "1.0", 5)],
            id="one release is quarantined",
        ),
        pytest.param(
            page(file("2.0")), FINE, (YANK,), [("file-unknown", None, None)], id="unknown"
        ),
        pytest.param(FINE, page(file("2.0")), (), [("file-missing", None, None)], id="missing"),
        pytest.param(YANKED, page(file("2.0")), (), [], id="PEP 592 lets it leave yanks out"),
        pytest.param(
            QUARANTINED,
            FINE,
            (row("quarantine", 5, None),),
            [("quarantined-offered", None, 5)],
            id="quarantined",
        ),
        pytest.param(QUARANTINED, EMPTY, (), [], id="quarantined and empty"),
        pytest.param(QUARANTINED, None, (), [], id="quarantined and not there"),
        pytest.param(FINE, None, (), [("project-missing", None, None)], id="not there"),
        pytest.param(EMPTY, None, (), [], id="not there, and without files here"),
        pytest.param(
            None, FINE, (REMOVE_ALL,), [("removed-offered", None, 5)], id="a removed project"
        ),
        pytest.param(None, None, (REMOVE_ALL,), [], id="removed in both"),
        pytest.param(None, EMPTY, (REMOVE_ALL,), [], id="removed and empty"),
        pytest.param(
            None,
            page(uploaded(file("1.0"), "1970-01-01T00:00:06.5Z"), uploaded(file("2.0"), "soon")),
            (REMOVE_ALL,),
            [("removed-offered", None, 5), ("file-unknown", None, None)],
            id="removed, and perhaps created again",
        ),
    ],
)
def test_each_difference_is_found(
    held: Page | None,
    shown: Page | None,
    events: tuple[HistoryRow, ...],
    wanted: list[tuple[str, str | None, int | None]],
) -> None:
    rows = found(held, shown, *events)
    assert [(str(one.kind), one.version, one.since) for one in rows] == wanted


def test_a_part_of_a_release_is_named() -> None:
    both = page(file("1.0", yanked="bad"), file("1.0", "tar.gz", yanked="bad"))
    half = page(file("1.0"), file("1.0", "tar.gz", yanked="bad"))
    (one,) = found(both, half)
    assert (one.files, one.reason, one.index_reason) == ((WHL,), "bad", None)
    (one,) = found(both, page(file("1.0"), file("1.0", "tar.gz")))
    assert one.files == ()
    gone = row("remove", 5, file=TAR)
    (one,) = found(page(file("1.0")), page(file("1.0"), file("1.0", "tar.gz")), gone)
    assert (str(one.kind), one.files) == ("removed-offered", (TAR,))


def test_another_hash_is_no_other_mark() -> None:
    other = replace(file("1.0", yanked="bad"), hashes=sorted_hashes([("sha256", "0")]))
    (one,) = found(YANKED, page(other, file("2.0")))
    assert (str(one.kind), one.version) == ("hash-mismatch", "1.0")
    weaker = replace(other, hashes=sorted_hashes([("md5", "0")]))
    assert found(YANKED, page(weaker, file("2.0"))) == []


@pytest.mark.parametrize(("html", "kinds"), [(True, []), (False, ["reason-differs"])])
def test_what_html_cannot_carry_is_no_difference(html: bool, kinds: list[str]) -> None:
    held, shown = page(file("1.0", yanked="a\r\nb\0")), page(file("1.0", yanked="a\nb\ufffd"))
    assert [str(one.kind) for one in found(held, shown, html=html)] == kinds


def test_an_older_page_is_compared_and_a_newer_one_is_not() -> None:
    kinds = [str(one.kind) for one in found(at(YANKED, 7), at(FINE, 6))]
    assert kinds == ["behind", "mark-missing"]
    (one,) = found(at(YANKED, 7), at(FINE, 8))
    assert (str(one.kind), one.serial, one.index_serial, one.is_note) == ("ahead", 7, 8, True)
    assert [str(one.kind) for one in found(None, at(FINE, 6), REMOVE_ALL)] == ["ahead"]


def test_a_project_without_a_page_is_not_judged() -> None:
    assert list(compare(ProjectFacts(name=DEMO), FINE)) == []


def test_notes_are_no_findings_and_the_oldest_withdrawal_is_kept() -> None:
    summary = Comparison(2)
    for kind, since in (
        (DifferenceKind.MARK_MISSING, 9),
        (DifferenceKind.REMOVED_OFFERED, 7),
        (DifferenceKind.MARK_EXTRA, 3),
        (DifferenceKind.BEHIND, None),
    ):
        summary.count(Difference(kind=kind, project=DEMO, since=since))
    assert (summary.findings, summary.oldest) == (3, 7)
