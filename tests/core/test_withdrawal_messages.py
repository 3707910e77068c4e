"""Events as text for people: what upstream wrote stays a text, whatever it is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.core.withdrawals.messages import chat_text, event_text, messages_text, summary


def event(action: str = "yank", **fields: Any) -> WithdrawalEvent:
    about: dict[str, Any] = {
        "cursor": 1, "logged": 20, "time": 10, "serial": 7, "versions": ("1.0",), "files": (),
        "reason": "", "installable_by_pin": False, "page_sha256": None,
    }  # fmt: skip
    return WithdrawalEvent(
        project=NormalizedName("demo"), action=HistoryAction(action), **(about | fields)
    )


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (event(reason="bad"), "demo 1.0: yanked: bad"),
        (event(installable_by_pin=True), "demo 1.0: yanked (an exact pin still installs it)"),
        (event(reason=None), "demo 1.0: yanked, reason unknown"),
        (event("remove", versions=()), "demo: removed"),
        (event("unyank", installable_by_pin=True), "demo 1.0: not yanked any more"),
        (event("quarantine", versions=("1", "2")), "demo 1 2: quarantined"),
        (event("return", files=("a", "b")), "demo 1.0 (a, b): there again"),
        (event("remove", files=tuple("abcde")), "demo 1.0 (a, b, c and 2 more): removed"),
        (event(reason="x" * 999), f"demo 1.0: yanked: {'x' * 200}…"),
        (event(reason="a\n\x1b[31m\ud800"), "demo 1.0: yanked: a\\n\\x1b[31m\\ud800"),
    ],
)
def test_a_line_about_an_event(told: WithdrawalEvent, text: str) -> None:
    assert event_text(told) == text


def test_a_chat_program_expands_nothing_of_upstreams() -> None:
    hostile = event(
        reason="<!channel> `*@here*` [x](https://bad.example) & more", versions=("<1>",)
    )
    text = chat_text("Withdrawn", [hostile])
    assert text == (
        "*Withdrawn*\n• demo `&lt;1&gt;`: yanked: "
        "`&lt;!channel&gt; '*@here*' [x](https://bad.example) &amp; more`"
    )


def test_several_events_are_lines() -> None:
    assert messages_text("Withdrawn", [event(), event("remove")]) == (
        "Withdrawn\ndemo 1.0: yanked\ndemo 1.0: removed"
    )


def test_very_many_are_a_sentence() -> None:
    actions = Counter({HistoryAction.YANK: 3, HistoryAction.REMOVE: 120})
    assert summary("Withdrawn", actions, 99) == (
        "Withdrawn: 120 removed, 3 yanked, in 99 projects. The log has each of them."
    )
