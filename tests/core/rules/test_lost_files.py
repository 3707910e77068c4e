"""Checks the files that a page takes away.

What stays published, with which mark, and for how long.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.builders.random_pages import CALM
from yanksync.core.model import File, Hashes, HistoryAction, JournalEntry, Page, PageChange, Yank
from yanksync.core.names import NormalizedName
from yanksync.core.rules.journal_entries import EntryKind, JournalEvent
from yanksync.core.rules.loss_history import removal_changes
from yanksync.core.rules.lost_file import LostFile, Observation
from yanksync.core.rules.lost_files import (
    apply_entries,
    confirm_lost,
    find_lost_files,
    page_with_lost_files,
    remembered,
    unpublished,
)
from yanksync.core.versions import VersionFinder, same_version

DEMO = NormalizedName("demo")
A: Hashes = (("sha256", "aa"),)
B: Hashes = (("sha256", "bb"),)
ONE, WHEEL, TWO, ODD = "demo-1.0.zip", "demo-1.0-py3-none-any.whl", "demo-2.0.zip", "odd"
BAD = Yank("bad")
FIRST, LATER = Observation(1000.0, 1, 600.0), Observation(1600.0, 2, 600.0)


def file(name: str, hashes: Hashes = A, yanked: Yank | None = None) -> File:
    return File(filename=name, url=f"https://files.example/{name}", hashes=hashes, yanked=yanked)


def page(*files: File | str, serial: int | None = 10, status: str = "active") -> Page:
    made = tuple(file(one) if isinstance(one, str) else one for one in files)
    return Page(name=DEMO, files=made, serial=serial, status=status)


def event(kind: EntryKind, version: str | None, serial: int = 11, name: str = "") -> JournalEvent:
    action = f"remove file {name}" if kind is EntryKind.REMOVE_FILE else str(kind)
    return JournalEvent(DEMO, kind, JournalEntry(DEMO, version, 0, action, serial))


def names(lost: Sequence[LostFile]) -> list[str]:
    return [one.file.filename for one in lost]


def seen(
    before: Page, after: Page, *events: JournalEvent, lost: Sequence[LostFile] = ()
) -> list[str]:
    return names([one for one in find_lost_files(before, lost, after, events, FIRST) if one.shown])


BOTH = page(ONE, TWO)


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("after", "events", "lost"),
    [
        pytest.param(page(TWO, ONE), (), [], id="nothing-is-missing"),
        pytest.param(page(ONE), (), [TWO], id="nothing-explains"),
        pytest.param(page(), (), [ONE, TWO], id="an-empty-page"),
        pytest.param(page(status="archived"), (), [ONE, TWO], id="archived-hides-nothing"),
        pytest.param(page(status="quarantined"), (), [], id="quarantined-PEP792"),
        pytest.param(page(ONE), (event(EntryKind.REMOVE_RELEASE, "2.0"),), [], id="release"),
        pytest.param(page(ONE), (event(EntryKind.REMOVE_RELEASE, "2"),), [], id="PEP440-equal"),
        pytest.param(page(ONE), (event(EntryKind.QUARANTINE_RELEASE, "2.0"),), [], id="quarantine"),
        pytest.param(page(ONE), (event(EntryKind.REMOVE_PROJECT, None),), [], id="project"),
        pytest.param(
            page(ONE), (event(EntryKind.REMOVE_FILE, "x", name=TWO),), [], id="file-by-name"
        ),
        pytest.param(
            page(ONE), (event(EntryKind.REMOVE_RELEASE, "1.0"),), [TWO], id="other-version"
        ),
        pytest.param(
            page(ONE), (event(EntryKind.YANK, "2.0"),), [TWO], id="a-yank-removes-nothing"
        ),
        pytest.param(page(ONE), (event(EntryKind.CREATE, None),), [TWO], id="create"),
        pytest.param(
            page(ONE),
            (event(EntryKind.REMOVE_RELEASE, "2.0", 10),),
            [TWO],
            id="told-before-that-page",
        ),
        pytest.param(
            page(), (event(EntryKind.REMOVE_RELEASE, "1.0"),), [TWO], id="each-needs-its-own"
        ),
        pytest.param(page(ONE, file(TWO, B)), (), [TWO], id="another-hash"),
        pytest.param(page(ONE, file(TWO, ())), (), [], id="no-hash-tells-nothing"),
        pytest.param(page(ONE, file(TWO, (("md5", "aa"),))), (), [], id="another-algorithm"),
        pytest.param(page(ONE, file(TWO, (("md5", "cc"), *B))), (), [TWO], id="one-of-two-differs"),
        pytest.param(
            page(ONE, file(TWO, B)),
            (event(EntryKind.REMOVE_RELEASE, "2.0"), event(EntryKind.NEW_RELEASE, "2.0", 12)),
            [TWO],
            id="no-entry-of-a-release-explains-a-hash",
        ),
        pytest.param(
            page(ONE, file(TWO, B)),
            (event(EntryKind.REMOVE_PROJECT, None), event(EntryKind.CREATE, None, 12)),
            [],
            id="another-project-of-that-name",
        ),
    ],
)
def test_what_is_lost(after: Page, events: tuple[JournalEvent, ...], lost: list[str]) -> None:
    assert seen(BOTH, replace(after, serial=12), *events) == lost


@pytest.mark.rule("R7")
def test_a_file_of_no_version_is_explained_by_its_name_alone() -> None:
    before, after = page("?", ONE), page(serial=12)
    assert seen(before, after, event(EntryKind.REMOVE_RELEASE, "1.0")) == ["?"]
    assert seen(before, after, event(EntryKind.REMOVE_FILE, "1.0", name="?")) == []


def test_what_describes_variants_may_change_under_its_name() -> None:
    for name, lost in (("demo-1.0-variants.json", []), (f"{ONE}", [ONE])):
        assert seen(page(name), page(file(name, B), serial=12)) == lost


def test_names_that_are_no_utf8_are_files_like_others() -> None:
    odd = "demo-1\ud800.zip"
    assert seen(page(odd), page(serial=12)) == [odd]


def test_without_serials_every_entry_counts() -> None:
    before, after = page(ONE, serial=None), page(serial=None)
    assert seen(before, after, event(EntryKind.REMOVE_RELEASE, "1.0", 1)) == []
    assert seen(before, after) == [ONE]


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("now", "run", "confirmed"),
    [
        pytest.param(1600.0, 2, True, id="a-later-pass"),
        pytest.param(1599.0, 2, False, id="too-soon"),
        pytest.param(9999.0, 1, False, id="the-same-pass"),
        pytest.param(900.0, 2, False, id="the-clock-was-set-back"),
    ],
)
def test_a_later_look_confirms_a_loss(now: float, run: int, confirmed: bool) -> None:
    after = page(ONE, serial=12)
    first = find_lost_files(BOTH, (), after, (), FIRST)
    assert [(one.confirmed, one.since, one.run) for one in first] == [(False, 1000.0, 1)]
    moment = Observation(now, run, 600.0)
    (second,) = find_lost_files(after, first, after, (), moment)
    assert (second.confirmed, second.since, second.run) == (confirmed, 1000.0, 1)
    assert second == confirm_lost(first[0], moment)


def test_a_changed_hash_needs_no_second_look_and_a_new_one_no_old_approval() -> None:
    (one,) = find_lost_files(BOTH, (), page(ONE, file(TWO, B), serial=12), (), FIRST)
    assert one.confirmed and not one.vanished and one.hashes == B and one.file.hashes == A
    approved = (replace(one, approved=True, held=None),)
    same = find_lost_files(BOTH, approved, page(ONE, file(TWO, B), serial=13), (), LATER)
    assert same == approved
    other: Hashes = (("sha256", "cc"),)
    (changed,) = find_lost_files(BOTH, approved, page(ONE, file(TWO, other), serial=13), (), LATER)
    assert (changed.hashes, changed.approved, changed.since) == (other, False, 1600.0)
    (gone,) = find_lost_files(BOTH, approved, page(ONE, serial=13), (), LATER)
    assert gone.vanished and not gone.approved and not gone.confirmed


def test_what_a_quarantine_takes_away_comes_back_with_its_hash_or_not_at_all() -> None:
    before = page(ONE, TWO, file(ODD, ()))
    kept = find_lost_files(before, (), page(serial=12, status="quarantined"), (), FIRST)
    assert names(kept) == [ONE, TWO] and not any(one.shown or one.vanished for one in kept)
    cleared = page(ONE, file(TWO, B), file(ODD, B), serial=13)
    (two,) = find_lost_files(page(serial=12, status="quarantined"), kept, cleared, (), LATER)
    assert two.hashes == B and two.confirmed and not two.shown
    assert [one.filename for one in page_with_lost_files(cleared, [two]).files] == [ONE, ODD]
    anew = (event(EntryKind.REMOVE_PROJECT, None), event(EntryKind.CREATE, None, 12))
    assert find_lost_files(page(serial=12, status="quarantined"), kept, cleared, anew, LATER) == ()
    assert apply_entries(kept, anew) == () == apply_entries([two], anew)
    approved = [replace(two, approved=True, held=None)]
    again = page(serial=14, status="quarantined")
    assert names(find_lost_files(cleared, approved, again, (), LATER)) == [ONE, ODD]


def test_a_remembered_file_is_the_same_when_its_page_comes_again() -> None:
    entries = [event(EntryKind.YANK, "2.0"), event(EntryKind.REMOVE_FILE, None, 12, "demo-1.0.zip")]
    doubted = find_lost_files(page(TWO), (), page(file(TWO, B)), (), FIRST)
    gone = page(serial=14)
    once = find_lost_files(page(file(TWO, B)), doubted, gone, entries, FIRST)
    assert names(once) == [TWO] and not once[0].shown
    assert find_lost_files(gone, once, gone, entries, FIRST) == once


def test_a_hash_in_doubt_is_remembered_when_its_file_goes() -> None:
    lost = find_lost_files(BOTH, (), page(ONE, file(TWO, B), serial=12), (), FIRST)
    gone = (event(EntryKind.REMOVE_RELEASE, "2.0", 13),)
    (kept,) = find_lost_files(BOTH, lost, page(ONE, serial=13), gone, LATER)
    assert not kept.shown and not kept.vanished and not kept.confirmed
    assert confirm_lost(kept, LATER) == kept and apply_entries([kept], gone) == (kept,)
    assert page_with_lost_files(page(ONE), [kept]) == page(ONE)
    (missing,) = find_lost_files(BOTH, lost, page(ONE, serial=13), (), LATER)
    assert missing.vanished and apply_entries([missing], gone) == (remembered(missing),)
    back = page(ONE, file(TWO, B), serial=15)
    (again,) = find_lost_files(page(ONE, serial=13), [kept], back, (), LATER)
    assert again.hashes == B and not again.shown
    assert find_lost_files(page(ONE, serial=13), [kept], page(ONE, TWO, serial=15), (), LATER) == ()
    assert unpublished([again]) == (remembered(again),) and unpublished([kept]) == (kept,)
    assert unpublished([replace(again, approved=True)]) == ()
    (never,) = find_lost_files(BOTH, (), page(ONE, serial=12), (), FIRST)
    assert unpublished([never]) == ()


def test_a_file_that_comes_back_is_not_lost_any_more() -> None:
    lost = find_lost_files(BOTH, (), page(ONE, serial=12), (), FIRST)
    assert find_lost_files(page(ONE, serial=12), lost, page(ONE, TWO, serial=13), (), LATER) == ()
    other = find_lost_files(
        page(ONE, serial=12), lost, page(ONE, file(TWO, B), serial=13), (), LATER
    )
    assert [(one.file, one.hashes) for one in other] == [(file(TWO), B)]


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("before", "after", "events", "yanked"),
    [
        pytest.param(None, (), (), None, id="no-mark"),
        pytest.param(BAD, (), (), BAD, id="its-own-mark-stays"),
        pytest.param(None, (file(WHEEL, yanked=BAD),), (), BAD, id="that-of-its-release"),
        pytest.param(None, (file(TWO, yanked=BAD),), (), None, id="not-that-of-another"),
        pytest.param(Yank("old"), (file(WHEEL, yanked=BAD),), (), BAD, id="the-newer-reason"),
        pytest.param(None, (), (event(EntryKind.YANK, "1.0"),), Yank(), id="the-journal-says-so"),
        pytest.param(None, (), (event(EntryKind.YANK, "2.0"),), None, id="of-another-release"),
        pytest.param(BAD, (), (event(EntryKind.YANK, "1"),), BAD, id="a-known-reason-stays"),
        pytest.param(BAD, (), (event(EntryKind.UNYANK, "1.0"),), None, id="unyanked"),
        pytest.param(
            None,
            (),
            (event(EntryKind.UNYANK, "1.0"), event(EntryKind.YANK, "1.0", 12)),
            Yank(),
            id="the-newest-entry-counts",
        ),
        pytest.param(
            BAD,
            (file(WHEEL, yanked=BAD),),
            (event(EntryKind.UNYANK, "1.0"),),
            BAD,
            id="an-older-page-that-shows-the-mark",
        ),
        pytest.param(None, (file(ONE, B, BAD),), (), BAD, id="of-the-file-with-the-other-hash"),
        pytest.param(BAD, (file(ONE, B),), (), BAD, id="no-hash-takes-a-mark-away"),
    ],
)
def test_a_held_file_has_every_mark(
    before: Yank | None,
    after: tuple[File, ...],
    events: tuple[JournalEvent, ...],
    yanked: Yank | None,
) -> None:
    old = page(file(ONE, yanked=before), WHEEL, TWO)
    (one,) = [
        one
        for one in find_lost_files(old, (), page(*after, serial=13), events, FIRST)
        if one.file.filename == ONE
    ]
    assert one.file == file(ONE, yanked=yanked)


@pytest.mark.rule("R8")
def test_the_journal_alone_marks_and_removes_what_is_held() -> None:
    lost = find_lost_files(page(ONE, TWO, ODD), (), page(serial=12), (), FIRST)
    assert names(lost) == [ONE, TWO, ODD]
    (one, odd) = apply_entries(
        lost, [event(EntryKind.YANK, "1.0", 13), event(EntryKind.REMOVE_RELEASE, "2.0", 14)]
    )
    assert (one.file, odd.file) == (file(ONE, yanked=Yank()), file(ODD))
    # older than its page
    assert apply_entries(lost, [event(EntryKind.REMOVE_RELEASE, "2.0", 10)]) == lost
    (again,) = apply_entries([one], [event(EntryKind.UNYANK, "1.0", 15)])
    assert again.file == file(ONE)
    assert apply_entries([one, odd], [event(EntryKind.REMOVE_PROJECT, None, 15)]) == ()


def test_what_is_published_meanwhile() -> None:
    after = page(file(ONE, B), "demo-3.0.zip", serial=12)
    after = replace(after, versions=("1.0", "3.0"))
    lost = find_lost_files(replace(BOTH, versions=("1.0", "2.0")), (), after, (), FIRST)
    shown = page_with_lost_files(after, lost)
    assert {one.filename: one.hashes for one in shown.files} == {
        ONE: A,
        "demo-3.0.zip": A,
        TWO: A,
    }
    assert shown.versions == ("1.0", "3.0", "2.0") and shown.serial == 12
    assert page_with_lost_files(replace(after, status="quarantined"), lost).files == after.files
    assert page_with_lost_files(after, ()) is after


def test_what_the_history_says_once_they_are_let_go() -> None:
    after = page(WHEEL, serial=12)
    before = page(ONE, WHEEL, TWO, "demo-2.0.tar.gz", ODD)
    lost = find_lost_files(before, (), after, (), FIRST)
    assert set(removal_changes(after, lost)) == {
        PageChange(action=HistoryAction.REMOVE, version="1.0", file=ONE),
        # both of its files: the release is gone
        PageChange(action=HistoryAction.REMOVE, version="2.0"),
        PageChange(action=HistoryAction.REMOVE, version=None, file=ODD),
    }
    (hashed,) = find_lost_files(
        before, (), replace(before, files=(file(ONE, B), *before.files[1:])), (), FIRST
    )
    assert removal_changes(before, [hashed]) == ()


# Any history of pages.


def anew_has_no_version(entry: JournalEvent) -> JournalEvent:
    if entry.kind is not EntryKind.REMOVE_PROJECT:
        return entry
    return replace(entry, entry=replace(entry.entry, version=None))


FILES = (ONE, WHEEL, TWO, "demo-2.0.tar.gz", ODD)
yanks = st.sampled_from([None, None, Yank(), BAD, Yank("worse")])
files = st.builds(file, st.sampled_from(FILES), st.sampled_from([A, A, A, B, ()]), yanks)
events = st.builds(
    event,
    st.sampled_from([kind for kind in EntryKind if kind not in (EntryKind.ROLE, EntryKind.INERT)]),
    st.sampled_from([None, "1.0", "2.0", "2", "3.0"]),
    name=st.sampled_from(FILES),
).map(anew_has_no_version)
steps = st.lists(
    st.tuples(
        st.lists(files, max_size=5, unique_by=lambda one: one.filename),
        st.sampled_from(["active"] * 5 + ["archived", "quarantined"]),
        st.lists(events, max_size=2),
        st.sampled_from([0.0, 300.0, 600.0]),
    ),
    min_size=1,
    max_size=6,
)


def explained(one: File, journal: Sequence[JournalEvent], low: int) -> bool:
    """Say in other words whether entries account for the loss of a file."""
    version = VersionFinder(DEMO, None).version_of(one.filename)
    for entry in journal:
        if entry.entry.serial <= low or not entry.removes:
            continue
        named = entry.entry.version
        if named is None or entry.file == one.filename:
            return True
        if version is not None and same_version(version, named):
            return True
    return False


def unyanked(one: File, journal: Sequence[JournalEvent]) -> bool:
    version = VersionFinder(DEMO, None).version_of(one.filename)
    return any(
        entry.kind is EntryKind.UNYANK
        and version is not None
        and entry.entry.version is not None
        and same_version(version, entry.entry.version)
        for entry in journal
    )


@pytest.mark.rule("R8")
@CALM
@given(st.lists(files, max_size=5, unique_by=lambda one: one.filename), steps)
def test_whatever_pages_come_only_what_is_explained_goes(
    begun: list[File], history: list[tuple[list[File], str, list[JournalEvent], float]]
) -> None:
    before = published = page(*begun, serial=10)
    lost: tuple[LostFile, ...] = ()
    journal: list[JournalEvent] = []
    was: dict[str, File] = {}  # as published last, as long as the state knows that
    serial, moment = 10, FIRST
    for found, status, entries, later in history:
        for entry in entries:
            serial += 1
            journal.append(replace(entry, entry=replace(entry.entry, serial=serial)))
        serial += 1
        after = page(*() if status == "quarantined" else found, serial=serial, status=status)
        moment = Observation(moment.now + later, moment.run + 1, 600.0)
        kept = find_lost_files(before, lost, after, journal, moment)
        shown = page_with_lost_files(after, kept)
        lows = {one.file.filename: one.low for one in lost}
        anew = any(entry.kind is EntryKind.REMOVE_PROJECT for entry in entries)
        was = {} if anew else {**was, **{one.filename: one for one in published.files}}
        hold_to_the_hashes_known(was, shown)
        if after.quarantined:
            assert shown == after and not any(one.shown for one in kept)
            wanted = {name for name, one in was.items() if one.hashes}
            assert {*names(kept)} == wanted
        else:
            for old in published.files:
                low = lows.get(old.filename) or before.serial or 0
                hold_to_what_was_published(old, low, after, kept, journal)
        there = {*names(kept), *(one.filename for one in shown.files)}
        was = {name: one for name, one in was.items() if name in there}
        hold_to_the_page(after, kept)
        for one in kept:
            ripe = moment.run > one.run and moment.now - one.since >= 600.0
            assert one.confirmed is ((one.vanished and ripe) or one.hashes is not None)
        assert find_lost_files(after, kept, after, journal, moment) == kept, "the same page again"
        assert apply_entries(kept, []) == kept
        before, lost, published = after, kept, shown


def hold_to_what_was_published(
    old: File, low: int, after: Page, kept: Sequence[LostFile], journal: Sequence[JournalEvent]
) -> None:
    """Only what is explained goes; what is held has its hash and its mark."""
    shown = {one.filename: one for one in page_with_lost_files(after, kept).files}
    if all(one.filename != old.filename for one in after.files) and explained(old, journal, low):
        assert old.filename not in shown
        return
    assert old.filename in shown, "lost, and nothing explains it"
    if old.filename in names(kept):
        now = shown[old.filename]
        assert now.hashes == old.hashes
        assert old.yanked is None or now.yanked is not None or unyanked(old, journal)


def hold_to_the_hashes_known(was: dict[str, File], shown: Page) -> None:
    """No file is published with another hash than it was, as long as that is known."""
    for one in shown.files:
        known = dict(was[one.filename].hashes) if one.filename in was else {}
        assert all(known.get(name, digest) == digest for name, digest in one.hashes)


def hold_to_the_page(after: Page, kept: Sequence[LostFile]) -> None:
    """Everything else of the page is published, and every mark that it has."""
    shown = page_with_lost_files(after, kept).files
    found = {one.filename: one for one in shown}
    assert len(found) == len(shown)
    for one in after.files:
        if one.filename not in names(kept):
            assert found[one.filename] == one
        hidden = {old.file.filename for old in kept if not old.shown}
        assert one.filename in found or one.filename in hidden
        if one.yanked is not None and one.filename in found:
            assert found[one.filename].yanked == one.yanked
