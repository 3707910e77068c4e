"""What is wrong with a pin, by the events of a log alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.reports.test_judgement import DEMO, TAR, WHL, named, pin
from yanksync.core.model import HistoryAction
from yanksync.core.pins import Pin
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.reports.audit.event_judgement import findings_by_events
from yanksync.reports.audit.findings import Finding, FindingKind


def event(
    action: str,
    at: int,
    *versions: str,
    files: tuple[str, ...] = (),
    reason: str | None = "",
    replaces: int | None = None,
    project: str = DEMO,
) -> WithdrawalEvent:
    """Return an event of version 1.0; its times and cursor are ``at``."""
    return WithdrawalEvent(
        cursor=at,
        logged=at,
        time=at,
        serial=at,
        project=project,  # type: ignore[arg-type]
        action=HistoryAction(action),
        versions=versions or ("1.0",),
        files=files,
        reason=reason,
        installable_by_pin=True,
        page_sha256=None,
        replaces=replaces,
    )


def whole(action: str, at: int, reason: str = "") -> WithdrawalEvent:
    """Return an event of the whole project."""
    return replace(event(action, at, reason=reason), versions=())


def found(one: Pin, *events: WithdrawalEvent) -> list[tuple[str, float | None]]:
    return [(str(each.kind), each.since) for each in findings_by_events(one, events)]


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ((), []),
        ((event("yank", 1),), [("yanked", 1)]),
        ((event("yank", 1, "1.0.0"),), [("yanked", 1)]),
        ((event("yank", 1, "2.0"),), []),
        ((event("yank", 1, "2.0", "1"),), [("yanked", 1)]),
        ((event("yank", 1), event("yank", 2)), [("yanked", 2)]),
        ((event("yank", 1), event("unyank", 2)), []),
        ((event("remove", 1),), [("removed", 1)]),
        ((event("remove", 1), event("return", 2)), []),
        ((event("yank", 1), event("remove", 2)), [("removed", 2)]),
        ((event("yank", 1), event("remove", 2), event("return", 3)), [("yanked", 1)]),
        ((event("quarantine", 1),), [("quarantined", 1)]),
        ((event("yank", 1), event("quarantine", 2)), [("quarantined", 2)]),
        ((event("yank", 1), event("quarantine", 2), event("unquarantine", 3)), [("yanked", 1)]),
        ((whole("quarantine", 1), event("yank", 2)), [("quarantined", 1)]),
        ((event("yank", 1), whole("quarantine", 2), whole("unquarantine", 3)), [("yanked", 1)]),
        ((whole("remove", 1),), [("project-gone", 1)]),
        ((whole("remove", 1), whole("return", 2)), [("project-recreated", 2)]),
        ((event("yank", 1), whole("remove", 2), whole("return", 3)), [("project-recreated", 3)]),
        (
            (whole("remove", 1), whole("return", 2), event("yank", 3)),
            [("project-recreated", 2), ("yanked", 3)],
        ),
        ((whole("return", 1),), []),
        (
            (whole("quarantine", 1), whole("remove", 2), whole("return", 3)),
            [("project-recreated", 3)],
        ),
    ],
)  # fmt: skip
def test_events_in_their_order(
    events: tuple[WithdrawalEvent, ...], wanted: list[tuple[str, int]]
) -> None:
    assert found(pin(), *events) == wanted


@pytest.mark.parametrize("reason", ["", "bad\x1b[0m", None])
def test_reasons_are_exact(reason: str | None) -> None:
    assert findings_by_events(pin(), [event("yank", 1, reason=reason)]) == (
        Finding(kind=FindingKind.YANKED, reason=reason, since=1),
    )
    (finding,) = findings_by_events(pin(), [whole("quarantine", 1, "malware")])
    assert finding.reason == "malware"


def test_a_yank_of_one_file_concerns_the_pins_that_allow_it() -> None:
    one = event("yank", 1, files=(WHL,), reason="bad")
    assert [each.files for each in findings_by_events(pin(), [one])] == [(WHL,)]
    assert found(pin("1.0", named(WHL)), one) == [("yanked", 1)]
    assert found(pin("1.0", named(TAR)), one) == []
    assert found(pin(), one, event("unyank", 2, files=(WHL,))) == []
    assert found(pin(), one, event("unyank", 2, files=(TAR,))) == [("yanked", 1)]
    assert found(pin(), one, event("unyank", 2)) == []
    assert found(pin(), one, event("yank", 2)) == [("yanked", 2)]
    part = (event("yank", 1), event("unyank", 2, files=(WHL,)))
    assert found(pin(), *part) == [("yanked", 1)]
    assert found(pin("1.0", named(WHL), named(TAR)), *part) == [("yanked", 1)]
    assert found(pin("1.0", named(WHL)), *part) == []
    assert found(pin("1.0", named(WHL)), *part, event("yank", 3)) == [("yanked", 3)]


def test_a_removed_file_concerns_the_pins_that_name_it() -> None:
    gone = event("remove", 1, files=(TAR,))
    assert found(pin("1.0", named(WHL), named(TAR)), gone) == [("removed", 1)]
    assert found(pin("1.0", named(WHL)), gone) == []
    assert found(pin(), gone) == []
    assert found(pin("1.0", named(TAR)), gone, event("return", 2, files=(TAR,))) == []


def test_an_equal_pin_allows_local_versions() -> None:
    assert found(pin("1.0", operator="=="), event("yank", 1, "1.0+cpu")) == [("yanked", 1)]
    assert found(pin("1.0"), event("yank", 1, "1.0+cpu")) == []
