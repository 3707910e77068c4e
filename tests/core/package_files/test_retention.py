"""The policy for files that upstream removed, as a table."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from yanksync.core.model import File, HistoryAction, Page, Yank
from yanksync.core.package_files.copies import CopyStatus, PackageFile
from yanksync.core.package_files.retention import (
    ProjectHistory,
    Refusal,
    Removal,
    RetentionPolicy,
    Withdrawal,
    judge,
    kept_file,
    with_kept_files,
    without_kept_files,
)

DAY = 86400.0
NOW = 1_800_000_000.0
UPLOADED = NOW - 100 * DAY
ORDINARY = Removal(seen=NOW, happened=NOW, uploaded=UPLOADED)
YANK = RetentionPolicy(on_pages=True)
INDEX = RetentionPolicy(in_index=True)
PROJECTS = RetentionPolicy(on_pages=True, deleted_projects=True)
TEN_DAYS = RetentionPolicy(on_pages=True, keep_days=10)

POLICY = {
    "follows upstream": (ORDINARY, RetentionPolicy(), Refusal.REMOVE),
    "stays, marked yanked": (ORDINARY, YANK, None),
    "stays for the index of deleted files": (ORDINARY, INDEX, None),
    "was under quarantine": (
        replace(ORDINARY, was_quarantined=True), YANK, Refusal.WAS_QUARANTINED),
    "was under quarantine, for the index": (
        replace(ORDINARY, was_quarantined=True), INDEX, Refusal.WAS_QUARANTINED),
    "its release is under quarantine": (
        replace(ORDINARY, is_quarantined=True, was_quarantined=True), YANK, Refusal.QUARANTINED),
    "removed on day 14": (
        replace(ORDINARY, happened=UPLOADED + 14 * DAY), YANK, Refusal.YOUNG),
    "removed behind day 14": (replace(ORDINARY, happened=UPLOADED + 14 * DAY + 1), YANK, None),
    "removed early, seen late": (
        replace(ORDINARY, happened=UPLOADED + DAY, seen=NOW), YANK, Refusal.YOUNG),
    "of a removed project": (
        replace(ORDINARY, project_removed=True), YANK, Refusal.PROJECT_REMOVED),
    "of a removed project that is kept": (replace(ORDINARY, project_removed=True), PROJECTS, None),
    "of a removed project, removed on day 14": (
        replace(ORDINARY, project_removed=True, happened=UPLOADED + 14 * DAY),
        PROJECTS, Refusal.YOUNG),
    "of a name that was created again": (
        replace(ORDINARY, created_again=True), PROJECTS, Refusal.CREATED_AGAIN),
    "of a name that was created again, restored": (
        replace(ORDINARY, created_again=True, restored=True), YANK, Refusal.CREATED_AGAIN),
    "on the last of its days": (replace(ORDINARY, seen=NOW - 10 * DAY + 1), TEN_DAYS, None),
    "its days are over": (replace(ORDINARY, seen=NOW - 10 * DAY), TEN_DAYS, Refusal.OVER),
    "its days count from the pass that saw it": (
        replace(ORDINARY, happened=NOW - 30 * DAY, seen=NOW), TEN_DAYS, None),
    "without end": (replace(ORDINARY, seen=0.0), YANK, None),
    "restored": (replace(ORDINARY, restored=True), RetentionPolicy(), None),
    "restored after its quarantine": (
        replace(ORDINARY, was_quarantined=True, restored=True), RetentionPolicy(), None),
    "restored, and under quarantine since": (
        replace(ORDINARY, is_quarantined=True, restored=True), YANK, Refusal.QUARANTINED),
}  # fmt: skip


@pytest.mark.parametrize(("removal", "policy", "refusal"), POLICY.values(), ids=list(POLICY))
def test_the_cause_of_a_removal_decides(
    removal: Removal, policy: RetentionPolicy, refusal: Refusal | None
) -> None:
    assert judge(removal, policy, NOW) is refusal


FILE = File(
    filename="demo-1.0.tar.gz",
    url="https://files.example/demo-1.0.tar.gz",
    upload_time="2026-01-01T00:00:00Z",
    provenance="https://upstream.example/integrity/demo",
)
COPY = PackageFile(
    id=1, project="demo", path="packages/x/demo-1.0.tar.gz", file=FILE, status=CopyStatus.SERVED
)
UPLOAD = 1_767_225_600.0


def row(action: str, day: float, version: str | None = None, file: str | None = None) -> Withdrawal:
    return Withdrawal(HistoryAction(action), version, file, UPLOAD + day * DAY)


def removal(*rows: Withdrawal, present: bool = True, copy: PackageFile = COPY) -> Removal:
    return ProjectHistory("demo", rows).removal(copy, NOW, is_present=present)


def test_the_journal_tells_when_upstream_removed_a_file() -> None:
    assert removal(row("remove", 5, "1.0")).happened == UPLOAD + 5 * DAY
    assert removal(row("remove", 5, "1.0", FILE.filename)).happened == UPLOAD + 5 * DAY
    assert removal(row("remove", 5, "2.0"), row("remove", 6, "1.0", "other.whl")).happened == NOW
    assert removal(row("remove", 10_000, "1.0")).happened == NOW  # a clock that is ahead


@pytest.mark.parametrize(
    ("rows", "was", "is_now"),
    [
        ([row("quarantine", 3, "1.0")], True, True),
        ([row("quarantine", 3, "1.0.0")], True, True),  # PEP 440: the same version
        ([row("quarantine", 3, "2.0")], False, False),
        ([row("quarantine", 3, "1.0"), row("unquarantine", 4, "1.0")], True, False),
        ([row("quarantine", 3, "1.0"), row("remove", 4, "1.0")], True, False),
        ([row("quarantine", 3, "1.0"), row("remove", 4)], True, False),
        ([row("quarantine", 3), row("unquarantine", 4), row("remove", 5, "1.0")], True, False),
        ([row("quarantine", -3), row("unquarantine", -2)], False, False),  # before the upload
    ],
)
def test_a_quarantine_counts_for_the_files_that_were_there(
    rows: list[Withdrawal], was: bool, is_now: bool
) -> None:
    found = removal(*rows)
    assert (found.was_quarantined, found.is_quarantined) == (was, is_now)


def test_without_a_version_in_its_name_any_quarantine_of_a_release_counts() -> None:
    odd = replace(COPY, file=replace(FILE, filename="setup.exe"))
    assert removal(row("quarantine", 3, "7.0"), copy=odd).was_quarantined


def test_without_an_upload_time_the_time_counts_since_which_the_mirror_knows_the_file() -> None:
    old = replace(COPY, added=7.0, file=replace(FILE, upload_time=None))
    found = removal(row("quarantine", -3), copy=old)
    assert (found.uploaded, found.was_quarantined) == (7.0, True)


def test_a_name_was_created_again_when_its_project_is_there_behind_a_removal() -> None:
    assert removal(row("remove", 3)).created_again
    assert not removal(row("remove", 3), present=False).created_again
    assert not removal(row("remove", 3, "1.0")).created_again
    assert not removal(row("remove", -3)).created_again  # its files are of the new project


@pytest.mark.parametrize(
    ("yanked", "reason"),
    [
        (None, "removed upstream on 2026-01-06"),
        (Yank(), "removed upstream on 2026-01-06"),
        (Yank(" broken <b>"), "removed upstream on 2026-01-06; yanked before:  broken <b>"),
    ],
)
def test_a_kept_file_says_when_it_was_removed_and_why_it_was_yanked(
    yanked: Yank | None, reason: str
) -> None:
    copy = replace(COPY, file=replace(FILE, yanked=yanked), removed_on=UPLOAD + 5 * DAY)
    shown = kept_file(copy)
    assert (shown.yanked, shown.provenance) == (Yank(reason), None)


def test_a_page_lists_the_versions_of_kept_files() -> None:
    other = File(filename="demo-2.0.tar.gz", url="https://files.example/demo-2.0.tar.gz")
    page = Page(name="demo", files=(other,), versions=("2.0", "3.0"))
    kept = replace(COPY, kept=True)
    judged = with_kept_files(page, [kept])
    assert judged.versions == ("2.0", "3.0", "1.0")
    assert without_kept_files(judged, [kept], page.versions, lambda _: True) == judged
    assert without_kept_files(judged, [kept], page.versions, lambda _: False) == page
    moving = replace(kept, status=CopyStatus.WANTED)
    assert without_kept_files(judged, [moving], page.versions, lambda _: True) == page
    assert with_kept_files(replace(page, status="quarantined"), [kept]).files == (other,)
