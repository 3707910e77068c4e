"""Each target of ``[[withdrawals.notify]]`` gets each event once or more, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.http_receiver import Receiver, receiver
from tests.support.source_copy import ROOT
from tests.support.world import DONE, PARTIAL, World
from yanksync.cli.reports.check import Limits, problems
from yanksync.config.load import load
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.doctor.checks import warned
from yanksync.doctor.places import found_status, run_checks
from yanksync.mirror.context import Mirror
from yanksync.service.metrics import format_metrics, state_metrics
from yanksync.state.facts import EventLogPosition
from yanksync.state.views.status import read_status
from yanksync.state.withdrawals.event_log import LoggedRow
from yanksync.sync.hooks.notify import notify

EPOCH = 1000


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as inbox:
        yield inbox


class Teller:
    """A mirror with a log of withdrawals, and its targets."""

    def __init__(self, world: World, *targets: dict[str, Any], epoch: int = EPOCH) -> None:
        self.world = world
        self.epoch = epoch
        self.rows = 0
        world.configure(withdrawals_publish=True, withdrawals_notify=list(targets))
        self.tell()

    def tell(self, *names: str, old: bool = False, action: str = "yank") -> int:
        """Append events and send them; return how many are not delivered."""
        left = 0
        self.append(*names, old=old, action=action)

        def work(mirror: Mirror) -> ExitCode:
            nonlocal left
            notify(mirror)
            left = mirror.totals.undelivered
            return DONE

        self.world.work(work)
        return left

    def append(self, *names: str, old: bool = False, action: str = "yank") -> None:
        """Append events to the log; ``old``: of what happened before it was begun."""
        with self.world.state() as state, state.transaction():
            log = state.event_log
            if state.facts.event_log.epoch != self.epoch:
                log.clear()
                state.facts.change(EventLogPosition, epoch=self.epoch)
            for name in names:
                self.rows += 1
                event = _event(log.newest() + 1, name, action, self.epoch + (not old))
                log.append([LoggedRow(self.rows, event)])

    def status(self) -> tuple[int, dict[str, int], tuple[str, ...]]:
        names = [f"notify {one['name']}" for one in self.world.flags["withdrawals_notify"]]  # type: ignore[attr-defined]
        found = read_status(self.world.where / "state.db", self.world.clock.time, names)
        return found.undelivered, found.undelivered_hooks, found.hook_problems


def _event(cursor: int, name: str, action: str, logged: int) -> WithdrawalEvent:
    return WithdrawalEvent(
        cursor=cursor,
        logged=logged,
        time=900,
        serial=cursor,
        project=NormalizedName(name),
        action=HistoryAction(action),
        versions=("1.0",),
        files=(),
        reason="bad",
        installable_by_pin=True,
        page_sha256=None,
    )


def projects(inbox: Receiver) -> list[list[str]]:
    """Return the projects of each message that was taken since the last call."""
    found = [[one["project"] for one in told.json["events"]] for told in inbox.taken]
    inbox.taken.clear()
    return found


def test_a_webhook_gets_the_events_of_its_projects_and_actions(
    world: World, inbox: Receiver
) -> None:
    teller = Teller(world, {
        "name": "w", "webhook": inbox.url, "webhook_header": "X-Key: hush",
        "projects": ["demo*"], "actions": ["yank"],
    })  # fmt: skip
    assert teller.tell("demo", "other", "demo-tools") == 0
    (told,) = inbox.taken
    assert told.headers["x-key"] == "hush" and told.json["epoch"] == EPOCH
    assert told.json["event"] == "withdrawals"
    assert told.json["events"][0] | {"cursor": 0} == {
        "cursor": 0, "logged": "1970-01-01T00:16:41Z", "time": "1970-01-01T00:15:00Z", "serial": 1,
        "project": "demo", "action": "yank", "versions": ["1.0"], "files": [], "reason": "bad",
        "installable_by_pin": True, "page_sha256": None, "replaces": None,
    }  # fmt: skip
    assert projects(inbox) == [["demo", "demo-tools"]]
    teller.tell("demo", action="remove")
    teller.tell()
    assert projects(inbox) == []


def test_a_new_target_does_not_get_the_history(world: World, inbox: Receiver) -> None:
    teller = Teller(world)
    teller.tell("demo")
    world.configure(withdrawals_notify=[{"name": "w", "webhook": inbox.url}])
    teller.tell()
    assert projects(inbox) == []
    teller.tell("demo", old=True)  # of a log that a dying run has begun
    teller.tell("other")
    assert projects(inbox) == [["other"]]


def test_what_fails_is_sent_again_in_order_and_delays_no_other(
    world: World, inbox: Receiver
) -> None:
    with receiver() as well:
        targets = ({"name": "ill", "webhook": inbox.url}, {"name": "well", "webhook": well.url})
        teller = Teller(world, *targets)
        inbox.always = 404
        assert teller.tell("one", "two") == 2
        assert teller.tell("three") == 3
        assert projects(well) == [["one", "two"], ["three"]]
        assert teller.status() == (3, {"notify ill": 3}, ("notify ill: answered 404",))
        inbox.always = None
        assert teller.tell() == 0
        assert projects(inbox) == [["one", "two", "three"]] and projects(well) == []
        assert teller.status() == (0, {}, ())


def test_a_failure_in_the_middle_keeps_what_was_taken(world: World, inbox: Receiver) -> None:
    teller = Teller(world, {"name": "w", "webhook": inbox.url})
    names = [f"p{number}" for number in range(600)]
    inbox.moods.extend([200, 404])
    assert teller.tell(*names) == 350
    assert projects(inbox) == [names[:250]]
    assert teller.tell() == 0
    assert projects(inbox) == [names[250:500], names[500:]]


def test_a_chat_gets_lines_or_one_sentence(world: World, inbox: Receiver) -> None:
    teller = Teller(world, {"name": "w", "webhook": inbox.url, "format": "chat"})
    teller.tell(*[f"p{number}" for number in range(12)])
    first, second = (told.json["text"].splitlines() for told in inbox.taken)
    assert first[:2] == [
        "*Withdrawn releases*",
        "• p0 `1.0`: yanked: `bad` (an exact pin still installs it)",
    ]
    assert (len(first), len(second)) == (11, 3)
    inbox.taken.clear()
    teller.tell(*[f"p{number}" for number in range(101)])
    (told,) = inbox.taken
    assert told.json == {
        "text": "Withdrawn releases: 101 yanked, in 101 projects. The log has each of them."
    }


def test_a_command_gets_lines(world: World, tmp_path: Path) -> None:
    got = tmp_path / "got"
    script = ["/bin/sh", "-c", f"cat >> {got}"]
    teller = Teller(
        world,
        {"name": "json", "command": script},
        {"name": "text", "command": [*script, "text"], "format": "chat"},
    )
    assert teller.tell("demo") == 0
    line, title, text = got.read_text().splitlines()
    assert json.loads(line)["project"] == "demo"
    assert (title, text) == (
        "Withdrawn releases",
        "demo 1.0: yanked: bad (an exact pin still installs it)",
    )


def test_a_log_that_begins_again_is_told_from_now_on(
    world: World, inbox: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    teller = Teller(world, {"name": "w", "webhook": inbox.url})
    teller.tell("demo", "other")
    projects(inbox)
    teller.epoch = EPOCH + 500
    teller.tell("demo")
    assert projects(inbox) == []
    assert "withdrawals.notify w: the log of withdrawals was begun again" in caplog.text
    teller.tell("other")
    assert projects(inbox) == [["other"]]


def test_a_target_that_is_removed_is_forgotten(world: World, inbox: Receiver) -> None:
    teller = Teller(world, {"name": "w", "webhook": inbox.url})
    inbox.always = 404
    assert teller.tell("demo") == 1
    world.configure(withdrawals_notify=[])
    teller.tell()
    with world.state() as state:
        assert state.notify_queue.counts() == {} and state.notify_queue.position("w") is None


def test_the_doctor_names_what_waits(world: World, inbox: Receiver) -> None:
    teller = Teller(world, {"name": "w", "webhook": inbox.url})
    inbox.always = 404
    teller.tell("demo")
    settings = load(None, {}, **world.flags)
    now = world.clock.time
    found = found_status(settings, now)
    (check,) = (one for one in run_checks(settings, found, now) if one.name == "hooks")
    assert check == warned("hooks", "1 changes wait (notify w 1)", "notify w: answered 404")
    assert [one.text for one in problems(found, settings, Limits(), now)][-1] == (
        "hooks wait for 1 changes (notify w 1)"
    )


def test_a_pass_sends_what_it_published_and_ends_with_3_if_it_is_not_taken(
    world: World, inbox: Receiver
) -> None:
    world.configure(
        withdrawals_publish=True, withdrawals_notify=[{"name": "w", "webhook": inbox.url}]
    )
    world.started("demo", "other")
    world.up.yank("demo", "1.0", "bad")
    world.up.remove_release("other", "1.0")
    inbox.always = 404
    assert world.sync() == PARTIAL
    with world.state() as state:
        metrics = format_metrics(state_metrics(state, world.clock.time))
    assert 'yanksync_undelivered{hook="notify w"} 2\n' in metrics
    inbox.always = None
    assert world.sync() == DONE
    (told,) = inbox.taken
    schema = json.loads((ROOT / "docs/reference/schemas/notify.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(told.json)
    first, second = told.json["events"]
    assert (first["project"], first["action"], first["reason"]) == ("demo", "yank", "bad")
    assert (second["project"], second["action"]) == ("other", "remove")
    assert first["installable_by_pin"] and not second["installable_by_pin"]
    inbox.taken.clear()
    assert world.sync() == DONE
    assert inbox.taken == []


def test_a_log_that_begins_with_a_history_tells_none_of_it(world: World, inbox: Receiver) -> None:
    world.started("demo")
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    world.configure(
        withdrawals_publish=True, withdrawals_notify=[{"name": "w", "webhook": inbox.url}]
    )
    assert world.sync() == DONE
    world.up.yank("demo", "2.0", "bad, too")
    assert world.sync() == DONE
    (told,) = inbox.taken
    assert [one["versions"] for one in told.json["events"]] == [["2.0"]]
