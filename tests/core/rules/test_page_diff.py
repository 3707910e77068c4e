"""Stage 4: differences between pages, and which entry each belongs to (rule R6)."""

from __future__ import annotations

import pytest

from yanksync.core.model import File, Hashes, HistoryAction, JournalEntry, Page, PageChange, Yank
from yanksync.core.names import NormalizedName
from yanksync.core.rules.entry_index import EntryIndex, explains
from yanksync.core.rules.journal_entries import EntryKind, JournalEvent
from yanksync.core.rules.lost_file import Observation
from yanksync.core.rules.lost_files import find_lost_files, page_with_lost_files
from yanksync.core.rules.page_diff import (
    AttributedDiff,
    PendingDiff,
    attribute_changes,
    diff_pages,
    files_added_late,
    yank_reasons,
)

DEMO = NormalizedName("demo")
NO, YES, WHY = None, Yank(), Yank('<b>"why"</b>')


def page(
    *files: tuple[str, Yank | None],
    versions: tuple[str, ...] | None = None,
    status: str = "active",
) -> Page:
    return Page(
        name=DEMO,
        files=tuple(File(filename=name, url="", yanked=yanked) for name, yanked in files),
        versions=versions,
        status=status,
    )


def change(action: HistoryAction, version: str | None = None, **rest: object) -> PageChange:
    return PageChange(action=action, version=version, **rest)  # type: ignore[arg-type]


def event(kind: EntryKind, version: str | None, serial: int, action: str = "") -> JournalEvent:
    return JournalEvent(DEMO, kind, JournalEntry(DEMO, version, 0, action, serial))


ONE, ONEW, TWO = "demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl", "demo-2.0.tar.gz"
QUARANTINED = page(status="quarantined")


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        pytest.param(None, None, [], id="nothing"),
        pytest.param(None, page((ONE, NO)), [change(HistoryAction.RETURN)], id="project-returns"),
        pytest.param(page((ONE, NO)), None, [change(HistoryAction.REMOVE)], id="project-removed"),
        pytest.param(
            page((ONE, NO)), QUARANTINED, [change(HistoryAction.QUARANTINE)], id="quarantined"
        ),
        pytest.param(QUARANTINED, QUARANTINED, [], id="still-quarantined"),
        pytest.param(
            QUARANTINED, page((ONE, YES)), [change(HistoryAction.UNQUARANTINE)], id="cleared"
        ),
        pytest.param(page((ONE, NO)), page((ONE, NO)), [], id="same"),
        pytest.param(page((ONE, NO)), page((ONE, NO), (TWO, NO)), [], id="upload-is-none"),
        pytest.param(
            page((ONE, NO)),
            page((ONE, NO), (TWO, YES)),
            [],
            id="born-yanked-is-no-yank",
        ),
        pytest.param(
            page((ONE, YES)),
            page((ONE, YES), (ONEW, YES)),
            [],
            id="upload-to-yanked",
        ),
        pytest.param(
            page((ONE, NO)),
            page((ONE, WHY)),
            [change(HistoryAction.YANK, "1.0", reason=WHY.reason)],
            id="yank",
        ),
        pytest.param(
            page((ONE, WHY)),
            page((ONE, YES)),
            [change(HistoryAction.YANK, "1.0")],
            id="reason-dropped",
        ),
        pytest.param(
            page((ONE, WHY)),
            page((ONE, NO)),
            [change(HistoryAction.UNYANK, "1.0")],
            id="unyank",
        ),
        pytest.param(
            page((ONE, NO), (ONEW, NO)),
            page((ONE, NO), (ONEW, YES)),
            [change(HistoryAction.YANK, "1.0", files=(ONEW,))],
            id="part-yanked",
        ),
        pytest.param(
            page((ONE, YES), (ONEW, NO)),
            page((ONE, YES), (ONEW, YES)),
            [change(HistoryAction.YANK, "1.0")],
            id="rest-yanked-makes-it-whole",
        ),
        pytest.param(
            page((ONE, NO), (ONEW, NO)),
            page((ONE, WHY), (ONEW, YES)),
            [
                change(HistoryAction.YANK, "1.0", files=(ONE,), reason=WHY.reason),
                change(HistoryAction.YANK, "1.0", files=(ONEW,)),
            ],
            id="two-reasons",
        ),
        pytest.param(
            page((ONE, NO), (TWO, NO)),
            page((TWO, NO)),
            [change(HistoryAction.REMOVE, "1.0")],
            id="version",
        ),
        pytest.param(
            page((ONE, NO), (ONEW, NO)),
            page((ONE, NO)),
            [change(HistoryAction.REMOVE, "1.0", file=ONEW)],
            id="one-file-of-a-version",
        ),
        pytest.param(
            page(("odd", NO), (ONE, NO)),
            page((ONE, NO)),
            [change(HistoryAction.REMOVE, None, file="odd")],
            id="file-of-no-version",
        ),
        pytest.param(
            page(("odd", NO), ("odd2", NO), (ONE, NO)),
            page(("odd", WHY), ("odd2", WHY), (ONE, NO)),
            [change(HistoryAction.YANK, None, files=("odd", "odd2"), reason=WHY.reason)],
            id="files-of-no-version-are-named",
        ),
        pytest.param(
            page((TWO, NO)),
            page((TWO, NO), (ONE, NO)),
            [change(HistoryAction.RETURN, "1.0")],
            id="withdrawn-version-returns",
        ),
    ],
)
def test_differences(before: Page | None, after: Page | None, changes: list[PageChange]) -> None:
    assert list(diff_pages(before, after, withdrawn={"1.0"})) == changes


@pytest.mark.rule("R6")
def test_a_version_never_withdrawn_is_just_new() -> None:
    assert diff_pages(page((TWO, NO)), page((TWO, NO), (ONE, NO))) == ()


def test_reasons_are_those_of_each_versions_first_yanked_file() -> None:
    shown = page((ONE, NO), (ONEW, WHY), (TWO, YES), ("odd", YES), ("demo-1.0.zip", YES))
    assert yank_reasons(shown) == (("1.0", WHY.reason), ("2.0", ""))


@pytest.mark.rule("R6")
@pytest.mark.parametrize(
    ("events", "reasons", "settled"),
    [
        pytest.param([(EntryKind.YANK, "1.0", 15)], [("1.0", "why")], [(15, "why")], id="yank"),
        pytest.param(
            [(EntryKind.YANK, "1", 15)], [("1.0", "why")], [(15, "why")], id="PEP440-equal"
        ),
        pytest.param(
            [(EntryKind.YANK, "1.0", 15), (EntryKind.YANK, "1.0", 16)],
            [("1.0", "two")],
            [(16, "two")],
            id="of-two-yanks-the-last",
        ),
        pytest.param(
            [(EntryKind.YANK, "1.0", 15), (EntryKind.UNYANK, "1.0", 16)],
            [("1.0", "old")],
            [],
            id="unyanked-since",
        ),
        pytest.param(
            [(EntryKind.YANK, "1.0", 15), (EntryKind.REMOVE_RELEASE, "1.0", 16)],
            [("1.0", "other")],
            [],
            id="removed-since",
        ),
        pytest.param(
            [
                (EntryKind.YANK, "1.0", 15),
                (EntryKind.OTHER_CHANGE, "1.0", 16),
                (EntryKind.ROLE, None, 17),
            ],
            [("1.0", "why")],
            [(15, "why")],
            id="uploads-and-roles-do-not-separate",
        ),
        pytest.param(
            [(EntryKind.YANK, "1.0", 15), (EntryKind.QUARANTINE_RELEASE, "1.0", 16)],
            [("1.0", "why")],
            [(15, "why")],
            id="quarantine-keeps-the-yank",
        ),
        pytest.param([(EntryKind.YANK, "1.0", 15)], [("2.0", "why")], [], id="another-version"),
        pytest.param(
            [(EntryKind.YANK, "1.0", 10)],
            [("1.0", "why")],
            [(10, "why")],
            id="an-entry-that-no-page-showed-so-far",
        ),
        pytest.param(
            [(EntryKind.YANK, "1.0", 9), (EntryKind.REMOVE_PROJECT, None, 10)],
            [("1.0", "why")],
            [],
            id="of-the-project-before-its-removal",
        ),
        pytest.param([(EntryKind.YANK, "1.0", 21)], [("1.0", "why")], [], id="after-the-page"),
        pytest.param(
            [(EntryKind.YANK, "1.0", 20)], [("1.0", "")], [(20, "")], id="no-reason-given"
        ),
        pytest.param(
            [(EntryKind.YANK, "1.0", 15), (EntryKind.YANK, "1.0.0", 16)],
            [("1.0", "a"), ("1.0.0", "b")],
            [(15, "a"), (16, "b")],
            id="equal-versions-coexist",
        ),
    ],
)
def test_reasons(
    events: list[tuple[EntryKind, str | None, int]],
    reasons: list[tuple[str, str]],
    settled: list[tuple[int, str]],
) -> None:
    seen = PendingDiff(low=10, high=20, reasons=tuple(reasons))
    assert attribute_changes(seen, EntryIndex(event(*row) for row in events)) == AttributedDiff(
        tuple(settled), ()
    )


HOMELESS = change(HistoryAction.YANK, None, files=("odd",), reason="why")


@pytest.mark.rule("R6")
@pytest.mark.parametrize(
    ("yanks", "changes", "settled"),
    [
        pytest.param([("1.0", 15)], [HOMELESS], [(15, "why")], id="it-can-only-be-this"),
        pytest.param([("1.0", 9)], [HOMELESS], [], id="it-was-yanked-before"),
        pytest.param([("1.0", 10)], [HOMELESS], [], id="by-the-page-before"),
        pytest.param([("1.0", 15), ("2.0", 16)], [HOMELESS], [], id="one-of-two"),
        pytest.param(
            [("1.0", 15)],
            [HOMELESS, change(HistoryAction.YANK, None, files=("odd2",), reason="other")],
            [],
            id="two-reasons",
        ),
        pytest.param(
            [("1.0", 15)],
            [change(HistoryAction.UNYANK, None, files=("odd",))],
            [],
            id="an-unyank",
        ),
        pytest.param(
            [("1.0", 15)], [change(HistoryAction.YANK, "2.0", reason="x")], [], id="another's"
        ),
        pytest.param(
            [("1.0", 15), ("3.0", 16)],
            [HOMELESS],
            [(15, "why"), (16, "three")],
            id="one-is-known",
        ),
    ],
)
def test_the_reason_of_files_that_belong_to_no_version(
    yanks: list[tuple[str, int]], changes: list[PageChange], settled: list[tuple[int, str]]
) -> None:
    seen = PendingDiff(low=10, high=20, changes=tuple(changes), reasons=(("3.0", "three"),))
    events = [event(EntryKind.YANK, version, serial) for version, serial in yanks]
    assert sorted(attribute_changes(seen, EntryIndex(events)).reasons) == settled


@pytest.mark.rule("R6")
def test_a_first_look_gives_reasons_and_observes_nothing() -> None:
    seen = PendingDiff(
        low=None, high=20, changes=(change(HistoryAction.REMOVE, "3.0"),), reasons=()
    )
    assert attribute_changes(seen, EntryIndex([])).observed == ()
    assert attribute_changes(
        PendingDiff(low=None, high=None, reasons=(("1.0", "why"),)),
        EntryIndex([event(EntryKind.YANK, "1.0", 5)]),
    ).reasons == ((5, "why"),)


REMOVED_FILE = "remove file " + ONE


@pytest.mark.rule("R6")
@pytest.mark.parametrize(
    ("seen", "told", "explained"),
    [
        pytest.param(
            change(HistoryAction.YANK, "1.0"), event(EntryKind.YANK, "1.0", 15), True, id="same"
        ),
        pytest.param(
            change(HistoryAction.YANK, "1.0"), event(EntryKind.YANK, "1", 15), True, id="equal"
        ),
        pytest.param(
            change(HistoryAction.YANK, "1.0"), event(EntryKind.YANK, "2.0", 15), False, id="other"
        ),
        pytest.param(
            change(HistoryAction.YANK, "1.0"),
            event(EntryKind.OTHER_CHANGE, "1.0", 15),
            False,
            id="upload",
        ),
        pytest.param(
            change(HistoryAction.YANK, "1.0"), event(EntryKind.ROLE, None, 15), False, id="role"
        ),
        pytest.param(
            change(HistoryAction.UNYANK, "1.0"),
            event(EntryKind.NEW_RELEASE, "1.0", 15),
            True,
            id="deleted-and-uploaded-again",
        ),
        pytest.param(
            change(HistoryAction.YANK, "1.0", files=(ONE,)),
            event(EntryKind.YANK, "1.0", 15),
            True,
            id="part",
        ),
        pytest.param(HOMELESS, event(EntryKind.YANK, "1.0", 15), True, id="files-of-no-version"),
        pytest.param(
            change(HistoryAction.REMOVE, "1.0"),
            event(EntryKind.REMOVE_PROJECT, None, 15),
            True,
            id="project",
        ),
        pytest.param(
            change(HistoryAction.REMOVE),
            event(EntryKind.REMOVE_RELEASE, "1.0", 15),
            False,
            id="only-a-version",
        ),
        pytest.param(
            change(HistoryAction.REMOVE, "1.0"),
            event(EntryKind.YANK, "1.0", 15),
            False,
            id="yank-removes-none",
        ),
        pytest.param(
            change(HistoryAction.REMOVE, "1.0"),
            event(EntryKind.CREATE, None, 15),
            False,
            id="create-neither",
        ),
        pytest.param(
            change(HistoryAction.REMOVE, None, file="odd"),
            event(EntryKind.REMOVE_RELEASE, "1.0", 15),
            True,
            id="file-of-no-version",
        ),
        pytest.param(
            change(HistoryAction.REMOVE, "1.0", file=ONE),
            event(EntryKind.REMOVE_FILE, "1.0", 15, REMOVED_FILE),
            True,
            id="that-file",
        ),
        pytest.param(
            change(HistoryAction.REMOVE, "1.0", file=ONEW),
            event(EntryKind.REMOVE_FILE, "1.0", 15, REMOVED_FILE),
            False,
            id="another-file",
        ),
        pytest.param(
            change(HistoryAction.REMOVE, "1.0"),
            event(EntryKind.REMOVE_FILE, "1.0", 15, REMOVED_FILE),
            True,
            id="its-last-file",
        ),
    ],
)
def test_what_explains_a_difference(seen: PageChange, told: JournalEvent, explained: bool) -> None:
    assert explains(told, seen) is explained
    outcome = attribute_changes(PendingDiff(low=10, high=20, changes=(seen,)), EntryIndex([told]))
    assert outcome.observed == (() if explained else (seen,))


@pytest.mark.rule("R6")
@pytest.mark.parametrize(("serial", "observed"), [(10, 1), (11, 0), (20, 0), (21, 1)])
def test_only_entries_between_the_pages_explain(serial: int, observed: int) -> None:
    seen = PendingDiff(low=10, high=20, changes=(change(HistoryAction.YANK, "1.0"),))
    assert (
        len(attribute_changes(seen, EntryIndex([event(EntryKind.YANK, "1.0", serial)])).observed)
        == observed
    )


HASH, OTHER = ("sha256", "aa"), ("sha256", "bb")


@pytest.mark.incident(37)
@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ((HASH,), (HASH,), ()),
        ((HASH,), (OTHER,), ("demo-1.0.zip",)),
        ((HASH,), (("md5", "aa"),), ()),
        ((HASH,), (("md5", "aa"), OTHER), ("demo-1.0.zip",)),
        ((), (OTHER,), ()),
    ],
)
def test_a_file_that_keeps_its_name_and_changes_its_hash(
    before: Hashes, after: Hashes, found: tuple[str, ...]
) -> None:
    old, new = (_uploaded("demo-1.0.zip", hashes=hashes) for hashes in (before, after))
    held = find_lost_files(old, (), new, (), Observation(0.0, 1, 0.0))
    assert tuple(one.file.filename for one in held) == found
    assert [file.hashes for file in page_with_lost_files(new, held).files] == [
        before if found else after
    ]
    assert diff_pages(old, new) == ()  # it is no news for the history


@pytest.mark.parametrize(
    ("moment", "late"),
    [
        ("2026-01-15T00:00:00Z", False),
        ("2026-01-15T00:00:00.000001Z", True),
        ("2026-01-16T00:00:00", True),
        ("once", False),
        (None, False),
    ],
)
def test_a_file_on_a_release_that_had_long_been_closed(moment: str | None, late: bool) -> None:
    wheel = "demo-1.0-py3-none-any.whl"
    before = _uploaded("demo-1.0.zip", "2026-01-01T00:00:00Z")
    for old in (
        before,
        _uploaded("demo-1.0.zip", "nonsense"),
        _uploaded("demo-1.0.zip"),
    ):
        new = Page(name=DEMO, files=(*old.files, *_uploaded(wheel, moment).files))
        assert files_added_late(old, new) == ((wheel,) if late and old is before else ())
        assert files_added_late(new, new) == (), "it was there already"
    new = Page(name=DEMO, files=(*before.files, *_uploaded("demo-2.0.zip", moment).files))
    assert files_added_late(before, new) == ()


def _uploaded(filename: str, moment: str | None = None, hashes: Hashes = ()) -> Page:
    url = f"https://files.example/{filename}"
    file = File(filename=filename, url=url, upload_time=moment, hashes=hashes)
    return Page(name=DEMO, files=(file,))
