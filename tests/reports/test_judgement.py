"""What is wrong with a pin, by a page and a history; and what could take its place."""

from __future__ import annotations

import pytest

from yanksync.core.model import File, HistoryAction, Page, Yank, sorted_hashes
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin, PinnedFile, PinOperator, hash_pairs
from yanksync.reports.audit.findings import Finding, FindingKind, ProjectFacts, RuledFile
from yanksync.reports.audit.judgement import judge
from yanksync.reports.audit.nearest import nearest_version
from yanksync.state.views.history_rows import HistoryRow

DEMO = NormalizedName("demo")


def file(
    version: str, kind: str = "whl", *, yanked: str | None = None, python: str | None = None
) -> File:
    """Return a file of a version; its sha256 is its name."""
    name = f"demo-{version}-py3-none-any.whl" if kind == "whl" else f"demo-{version}.{kind}"
    return File(
        filename=name,
        url=f"https://files.example/{name}",
        hashes=sorted_hashes([("sha256", name)]),
        yanked=None if yanked is None else Yank(yanked),
        requires_python=python,
    )


def page(*files: File, status: str = "active", reason: str | None = None) -> Page:
    return Page(name=DEMO, files=files, status=status, status_reason=reason)


def row(
    action: str, at: int, version: str | None = "1.0", *, file: str | None = None
) -> HistoryRow:
    return HistoryRow(
        serial=at,
        timestamp=at,
        project=DEMO,
        version=version,
        action=HistoryAction(action),
        file=file,
        files=(),
        reason="",
        source="journal",
    )


def pin(
    version: str = "1.0", *files: PinnedFile, operator: str = "locked", python: str | None = None
) -> Pin:
    return Pin(
        project=DEMO, version=version, operator=PinOperator(operator), files=files, python=python
    )


def named(name: str, digest: str | None = None) -> PinnedFile:
    return PinnedFile(name, hash_pairs([f"sha256:{digest or name.lower()}"]))


def hashed(digest: str) -> PinnedFile:
    return PinnedFile(None, hash_pairs([f"sha256:{digest}"]))


def found(one: Pin, shown: Page | None, *events: HistoryRow, gone: bool = False) -> list[Finding]:
    facts = ProjectFacts(name=DEMO, page=shown, gone=gone, events=events)
    return list(judge(one, facts, "3.11").findings)


def kinds(one: Pin, shown: Page | None, *events: HistoryRow) -> list[str]:
    return [str(finding.kind) for finding in found(one, shown, *events)]


WHL, TAR = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
BOTH = page(file("1.0"), file("1.0", "tar.gz"))


@pytest.mark.parametrize(
    "files",
    [(), (named(WHL),), (named(WHL), named(TAR)), (hashed(TAR),), (hashed(WHL), hashed(TAR))],
)
def test_a_release_as_it_was_locked_is_fine(files: tuple[PinnedFile, ...]) -> None:
    assert found(pin("1.0", *files), BOTH) == []


@pytest.mark.parametrize("reason", ["", "false", " ", "broken\r\n\x1b[31m"])
def test_a_yank_has_its_exact_reason_and_time(reason: str) -> None:
    shown = page(file("1.0", yanked=reason))
    events = (row("yank", 5), row("unyank", 6), row("yank", 7, "1.0.0"), row("yank", 9, "2.0"))
    assert found(pin(), shown, *events) == [
        Finding(kind=FindingKind.YANKED, reason=reason, since=7)
    ]


def test_a_yank_without_history_has_no_time() -> None:
    (finding,) = found(pin(), page(file("1.0", yanked="bad")))
    assert finding.since is None


def test_a_yank_of_one_file_is_told_of_it_and_only_to_those_who_allow_it() -> None:
    shown = page(file("1.0", yanked="bad"), file("1.0", "tar.gz"))
    wanted = [Finding(kind=FindingKind.YANKED, reason="bad", files=(WHL,))]
    assert found(pin(), shown) == wanted
    assert found(pin("1.0", named(WHL), named(TAR)), shown) == wanted
    assert found(pin("1.0", hashed(WHL)), shown) == wanted
    assert found(pin("1.0", named(TAR)), shown) == []
    assert found(pin("1.0", hashed(TAR)), shown) == []


def test_an_equal_pin_sees_every_release_that_it_allows() -> None:
    shown = page(file("1.0"), file("1.0+cpu", yanked="bad"))
    assert kinds(pin("1.0", operator="=="), shown) == ["yanked"]
    assert kinds(pin("1.0"), shown) == []


@pytest.mark.parametrize(
    ("events", "kind", "since"),
    [
        ((), "removed", None),
        ((row("remove", 5),), "removed", 5),
        ((row("averted", 5),), "removed", 5),
        ((row("remove", 5), row("return", 6)), "removed", None),
        ((row("quarantine", 5),), "quarantined", 5),
        ((row("quarantine", 5), row("unquarantine", 6), row("remove", 7)), "removed", 7),
        ((row("remove", 5, "2.0"),), "removed", None),
    ],
)
def test_a_release_without_files(
    events: tuple[HistoryRow, ...], kind: str, since: float | None
) -> None:
    (finding,) = found(pin(), page(file("2.0")), *events)
    assert (finding.kind, finding.since) == (kind, since)


def test_a_file_that_is_gone_is_named() -> None:
    shown = page(file("1.0"))
    gone = row("remove", 5, file=TAR)
    assert found(pin("1.0", named(WHL), named(TAR)), shown, gone) == [
        Finding(kind=FindingKind.REMOVED, since=5, files=(TAR,))
    ]
    assert found(pin("1.0", named(WHL)), shown, gone) == []


def test_a_hash_that_no_file_has_is_named() -> None:
    wanted = [Finding(kind=FindingKind.HASH_MISMATCH, hashes=("sha256:other",))]
    assert found(pin("1.0", hashed(WHL), hashed("other")), BOTH) == wanted
    assert found(pin("1.0", named(WHL, "other"), named(TAR)), BOTH) == wanted


def test_a_hash_of_an_algorithm_that_the_index_does_not_use_says_nothing() -> None:
    assert found(pin("1.0", PinnedFile(None, hash_pairs(["blake2b:x"]))), BOTH) == []


def test_a_quarantined_project_has_the_reason_of_its_status() -> None:
    shown = page(status="quarantined", reason="malware")
    events = (row("quarantine", 5, None), row("remove", 6, "1.0"))
    assert found(pin(), shown, *events) == [
        Finding(kind=FindingKind.QUARANTINED, reason="malware", since=5)
    ]


def test_a_project_that_is_gone_and_one_that_nobody_knows() -> None:
    gone = found(pin(), None, row("remove", 5, None), gone=True)
    assert gone == [Finding(kind=FindingKind.PROJECT_GONE, since=5)]
    assert found(pin(), None) == [Finding(kind=FindingKind.UNKNOWN)]


def test_a_project_that_was_created_again_is_trusted_by_hash_alone() -> None:
    events = (row("remove", 5, None), row("return", 6, None))
    again = Finding(kind=FindingKind.PROJECT_RECREATED, since=6)
    assert found(pin(), BOTH, *events) == [again]
    assert found(pin("1.0", hashed(WHL)), BOTH, *events) == []
    assert found(pin("3.0"), BOTH, *events) == [again, Finding(kind=FindingKind.REMOVED)]
    assert found(pin(), BOTH, row("return", 6, None)) == []
    facts = ProjectFacts(name=DEMO, page=BOTH, events=events)
    assert judge(pin("3.0"), facts, "3.11").nearest is None


def nearest(pinned: str, *files: File, python: str = "3.11") -> str | None:
    return nearest_version(pin(pinned), page(*files), python)


@pytest.mark.parametrize(
    ("pinned", "offered", "wanted"),
    [
        ("1.1", ["1.0", "1.1", "1.2", "1.3", "2.0"], "1.2"),
        ("1.3", ["0.9", "1.0", "1.2", "1.3", "2.0"], "1.2"),
        ("1.3", ["0.9", "1.3", "2.0", "1!1.4"], None),
        ("1.1", ["1.2rc1", "1.2.dev1", "1.3"], "1.3"),
        ("1.2rc1", ["1.2rc2", "1.2"], "1.2rc2"),
        ("1.0", ["1.0.0", "1.0.post1"], "1.0.post1"),
        ("2004d", ["2004e"], None),
        ("1.0", ["what", "1.1"], "1.1"),
    ],
)
def test_the_nearest_version(pinned: str, offered: list[str], wanted: str | None) -> None:
    assert nearest(pinned, *(file(version, "zip") for version in offered)) == wanted


def test_the_nearest_version_has_a_file_that_installs() -> None:
    yanked, new = file("1.1", yanked=""), file("1.2", python=">=3.12")
    odd, last = file("1.3", python="what"), file("1.4")
    assert nearest("1.0", yanked, new, odd, last) == "1.3"
    assert nearest("1.0", yanked, new, odd, last, python="3.12.1") == "1.2"
    assert nearest("1.0", yanked, file("1.1", "zip")) == "1.1"
    verdict = judge(pin(python="3.12"), ProjectFacts(name=DEMO, page=page(new, last)), python="3.8")
    assert verdict.nearest == "1.2"


def test_a_fine_pin_needs_no_other_version() -> None:
    facts = ProjectFacts(name=DEMO, page=page(file("1.0"), file("1.1")))
    assert judge(pin(), facts, "3.11").nearest is None


def ruled(name: str, rule: str = "cooldown.age", until: float | None = 9) -> RuledFile:
    kind = FindingKind.TOO_YOUNG if rule == "cooldown.age" else FindingKind.OVERRIDDEN
    return RuledFile(filename=name, kind=kind, rule=rule, reason="", until=until)


def test_the_rules_of_the_mirror_are_told_of_the_files_that_a_pin_allows() -> None:
    own = (ruled(WHL), ruled(TAR, "override demo", None), ruled("demo-1.1-py3-none-any.whl"))
    facts = ProjectFacts(name=DEMO, page=page(*BOTH.files, file("1.1"), file("1.2")), ruled=own)
    young = Finding(
        kind=FindingKind.TOO_YOUNG, reason="", files=(WHL,), rule="cooldown.age", until=9
    )
    verdict = judge(pin(), facts, "3.11")
    assert verdict.findings == (
        young,
        Finding(kind=FindingKind.OVERRIDDEN, reason="", files=(TAR,), rule="override demo"),
    )
    assert verdict.nearest == "1.2"
    assert judge(pin("1.0", named(WHL)), facts, "3.11").findings == (young,)
    whole = ProjectFacts(name=DEMO, page=BOTH, ruled=(ruled(WHL), ruled(TAR, until=None)))
    (finding,) = judge(pin(), whole, "3.11").findings
    assert (finding.files, finding.until) == ((), None)
