"""``[[withdrawals.notify]]``: what a table may say."""

from __future__ import annotations

from typing import Any

import pytest

from yanksync.config.load import load
from yanksync.config.notify_tables import notify_targets
from yanksync.config.settings import NotifyFormat
from yanksync.core.errors import ConfigError
from yanksync.core.model import HistoryAction

HOOK = "https://hooks.example/secret"


def test_a_table_with_everything() -> None:
    (found,) = notify_targets(
        [
            {
                "name": "chat",
                "projects": ["Demo_*", "other"],
                "actions": ["yank", "remove"],
                "webhook": HOOK,
                "webhook_header": "X-Key: hush",
                "format": "chat",
            }
        ]
    )
    assert (found.name, found.key, found.webhook) == ("chat", "notify chat", HOOK)
    assert found.format is NotifyFormat.CHAT
    assert found.wants("demo-tools", HistoryAction.YANK)
    assert not found.wants("demo-tools", HistoryAction.UNYANK)
    assert not found.wants("unrelated", HistoryAction.YANK)
    assert "secret" not in repr(found) and "hush" not in repr(found)


def test_a_table_without_a_name_keeps_its_name_while_its_target_stays() -> None:
    one, two = notify_targets([{"webhook": HOOK}, {"command": ["tell", "me"]}])
    assert one.wants("anything", HistoryAction.RETURN)
    assert one.name.startswith("webhook-") and two.name.startswith("command-")
    (again,) = notify_targets([{"webhook": HOOK, "projects": ["demo"]}])
    assert again.name == one.name and "secret" not in one.name


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "[1]: needs either command or webhook"),
        ({"webhook": HOOK, "command": ["x"]}, "[1]: needs either command or webhook"),
        ({"command": []}, "[1]: needs either command or webhook"),
        ({"webhook": "ftp://x"}, "[1]: webhook: "),
        ({"command": ["x"], "webhook_header": "A: b"}, "[1]: webhook_header: needs webhook"),
        ({"webhook": HOOK, "action": ["yank"]}, "[1]: action: no such key; there are name, "),
        ({"webhook": HOOK, "actions": ["averted"]}, "[1]: actions: must be "),
        ({"webhook": HOOK, "actions": []}, "[1]: actions: names no action"),
        ({"webhook": HOOK, "actions": "yank"}, "[1]: actions: must be a list of texts"),
        ({"webhook": HOOK, "projects": ["["]}, "[1]: projects: "),
        ({"webhook": HOOK, "format": "slack"}, "[1]: format: must be "),
        ({"webhook": HOOK, "name": "a b"}, "[1]: name: must be written with a to z"),
        ("x", "[1]: must be a table: [[withdrawals.notify]]"),
    ],
)
def test_what_is_wrong_is_named(table: Any, problem: str) -> None:
    with pytest.raises(ValueError) as wrong:
        notify_targets([table])
    assert str(wrong.value).startswith(problem)


def test_two_tables_need_two_names() -> None:
    with pytest.raises(ValueError, match=r"^\[2\]: has the name of another table, a; give each"):
        notify_targets([{"name": "a", "webhook": HOOK}, {"name": "a", "command": ["x"]}])


def loaded(**flags: object) -> object:
    return load(None, {}, upstream_simple_url="https://upstream.example/simple/", **flags)


def test_it_needs_the_log_and_https() -> None:
    with pytest.raises(ConfigError, match=r"needs withdrawals\.publish = true"):
        loaded(withdrawals_notify=[{"webhook": HOOK}])
    plain = [{"name": "room", "webhook": "http://hooks.example/"}]
    with pytest.raises(ConfigError, match=r"plain http needs hooks\.allow_http \(of room\)"):
        loaded(withdrawals_notify=plain, withdrawals_publish=True)
    loaded(withdrawals_notify=plain, withdrawals_publish=True, hooks_allow_http=True)
    loaded(withdrawals_notify=[{"webhook": "http://127.0.0.1:8/"}], withdrawals_publish=True)


def test_a_variable_cannot_have_it() -> None:
    with pytest.raises(ConfigError, match="which only the file can have"):
        load(None, {"YANKSYNC_WITHDRAWALS_NOTIFY": "x"})
