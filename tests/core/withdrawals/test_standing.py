"""What of a project is withdrawn after its events."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from packaging.version import Version

from tests.support.withdrawal_events import withdrawal
from yanksync.core.model import HistoryAction as Action
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.core.withdrawals.web.pins_document import (
    PinsDocument,
    canonical_version,
    render_pins,
)
from yanksync.core.withdrawals.web.standing import project_standing

YANK, UNYANK = withdrawal(Action.YANK, "1.0"), withdrawal(Action.UNYANK, "1.0", cursor=8)
REMOVE, RETURN = withdrawal(Action.REMOVE, "1.0", cursor=2), withdrawal(Action.RETURN, "1.0.0")
GONE, BACK = withdrawal(Action.REMOVE), withdrawal(Action.RETURN)
HELD, CLEARED = withdrawal(Action.QUARANTINE), withdrawal(Action.UNQUARANTINE)
WHEEL = withdrawal(Action.YANK, "1.0", files=["a.whl"], cursor=3)
SDIST = withdrawal(Action.YANK, "1.0", files=["a.tar.gz"], cursor=4)
WHEEL_BACK = withdrawal(Action.UNYANK, "1.0", files=["a.whl"], cursor=5)
STRAY = withdrawal(Action.REMOVE, files=["readme.txt"])


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], {}),
        ([YANK], {"1.0": Action.YANK}),
        ([YANK, UNYANK], {}),
        ([UNYANK], {}),
        ([REMOVE], {"1.0": Action.REMOVE}),
        ([REMOVE, RETURN], {}),  # 1.0.0 is 1.0
        ([YANK, REMOVE], {"1.0": Action.REMOVE}),
        ([YANK, REMOVE, RETURN], {"1.0": Action.YANK}),  # what returns yanked is no new yank
        ([GONE], {None: Action.REMOVE}),
        ([YANK, GONE, BACK], {"1.0": Action.YANK}),
        ([HELD], {None: Action.QUARANTINE}),
        ([HELD, CLEARED], {}),
        ([HELD, GONE], {None: Action.REMOVE}),
        ([STRAY], {}),  # a file of no version is neither a version nor the project
        ([withdrawal(Action.YANK, "1.0", "2.0"), UNYANK], {"2.0": Action.YANK}),
        ([withdrawal(Action.YANK, "not a version")], {"not a version": Action.YANK}),
    ],
)
def test_the_last_event_of_each_kind_decides(
    events: Sequence[WithdrawalEvent], expected: dict[str | None, Action]
) -> None:
    standing = project_standing(events)
    found = {one.version: one.event.action for one in standing.versions}
    if standing.project is not None:
        found[standing.project.version] = standing.project.event.action
    assert found == expected


@pytest.mark.parametrize(
    ("events", "files"),
    [
        ([WHEEL], ("a.whl",)),
        ([WHEEL, SDIST], ("a.whl", "a.tar.gz")),
        ([WHEEL, SDIST, WHEEL_BACK], ("a.tar.gz",)),
        ([WHEEL, WHEEL_BACK], None),
        ([YANK, WHEEL], ()),  # all of them already are
        ([YANK, WHEEL_BACK], ()),  # the others are not known by name
        ([WHEEL, YANK], ()),
    ],
)
def test_files_of_a_version_add_up(
    events: Sequence[WithdrawalEvent], files: tuple[str, ...] | None
) -> None:
    versions = project_standing(events).versions
    assert [one.files for one in versions] == ([] if files is None else [files])


def test_the_newest_stand_first() -> None:
    events = [withdrawal(Action.YANK, f"{at}.0", cursor=at) for at in (1, 2, 3)]
    assert [one.version for one in project_standing(events).versions] == ["3.0", "2.0", "1.0"]


def test_the_document_has_versions_in_their_shortest_form() -> None:
    reason = "bad\x1b[31m \u202etxt" + "x" * 1000
    events = [
        withdrawal(Action.YANK, "1.0.0-RC.1", reason=reason),
        withdrawal(Action.REMOVE, "Odd_One", files=["a\x00.whl"]),
    ]
    document = msgspec.json.decode(render_pins(project_standing(events)), type=PinsDocument)
    assert document.project is None
    assert set(document.versions) == {"1rc1", "odd_one"}
    yanked, removed = document.versions["1rc1"], document.versions["odd_one"]
    assert (yanked.kind, yanked.what, yanked.installs) == ("yank", "Yanked", True)
    assert yanked.since == "2026-11-29T12:01:00Z"
    assert yanked.reason.startswith(r"bad\x1b[31m \u202etxtxxx")
    assert len(yanked.reason) < 600
    assert (removed.kind, removed.installs, removed.files) == ("remove", False, (r"a\x00.whl",))


def test_the_document_of_a_project_that_is_gone() -> None:
    document = msgspec.json.decode(render_pins(project_standing([YANK, GONE])), type=PinsDocument)
    assert document.project is not None
    assert document.project.what == "Removed"


@pytest.mark.parametrize("text", ["1.0", "v1.0.0", "1!2.0", "1.0a0", "1.0.post1", "1.0+Ab.1"])
def test_the_shortest_form_is_an_equal_version(text: str) -> None:
    short = canonical_version(text)
    assert Version(short) == Version(text)
    assert canonical_version(short) == short


@pytest.mark.parametrize("text", ["2004d", "9" * 5000, "\ud800", ""])
def test_what_is_no_version_stays_text(text: str) -> None:
    canonical_version(text).encode()
