"""``history``: a table, and what of it is asked for."""

from __future__ import annotations

import os
import re
import time

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream
from tests.support.terminal import typed

DAY = 86400


@pytest.fixture
def eventful(synced: Cli, upstream: FakeUpstream) -> Cli:
    """A mirror with events ten, five and one days ago, and one today."""
    upstream.upload("django-long-name", "1.0")
    now = int(time.time())
    for days, name, version in ((10, "demo", "1.0"), (5, "demo", "2.0"), (1, "other", "1.0")):
        upstream.clock = now - days * DAY
        upstream.yank(name, version, f"{days} days ago")
    upstream.clock = now - 600
    upstream.unyank("demo", "1.0")
    upstream.yank("django-long-name", "1.0", "today")
    assert synced("sync").code == 0
    return synced


def short(rows: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [(row["action"], row["project"], row["version"]) for row in rows]


ALL = [
    ("yank", "demo", "1.0"),
    ("yank", "demo", "2.0"),
    ("yank", "other", "1.0"),
    ("unyank", "demo", "1.0"),
    ("yank", "django-long-name", "1.0"),
]


def test_columns_are_fitted_and_have_a_header(eventful: Cli) -> None:
    lines = eventful("history").out.splitlines()
    assert lines[0].split() == ["TIME", "SERIAL", "ACTION", "PROJECT", "VERSION", "REASON"]
    assert [line.split()[2:5] for line in lines[1:]] == [list(row) for row in ALL]
    places = [lines[0].index(word) for word in ("ACTION", "PROJECT", "VERSION", "REASON")]
    for line in [one for one in lines[1:] if " unyank " not in one]:  # it has no reason
        assert all(line[at - 2 : at] == "  " and line[at : at + 1] != " " for at in places)
    assert lines[2].endswith("  5 days ago")


def test_the_newest_n(eventful: Cli) -> None:
    assert short(eventful("history", "-n", "2", "--json").json) == ALL[-2:]
    assert short(eventful("history", "-n", "2", "--reverse", "--json").json) == ALL[:-3:-1]
    assert short(eventful("history", "-n", "99", "--json").json) == ALL
    assert short(eventful("history", "demo", "-n", "1", "--json").json) == [ALL[3]]


def test_reverse(eventful: Cli) -> None:
    assert short(eventful("history", "--reverse", "--json").json) == ALL[::-1]


def test_actions(eventful: Cli) -> None:
    assert short(eventful("history", "--action", "unyank", "--json").json) == [ALL[3]]
    both = eventful("history", "--action", "unyank", "--action", "yank", "--json")
    assert short(both.json) == ALL


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (["demo"], [ALL[0], ALL[1], ALL[3]]),
        (["d*"], [ALL[0], ALL[1], ALL[3], ALL[4]]),
        (["Django_*"], [ALL[4]]),
        (["demo", "2.0"], [ALL[1]]),
        (["demo", "2"], [ALL[1]]),
        (["*", "1.0"], [ALL[0], *ALL[2:]]),
        (["demo", "other"], ALL[:4]),
        (["demo", "other", "django-long-name"], ALL),
        (["nobody"], []),
    ],
)
def test_patterns_and_versions(
    eventful: Cli, words: list[str], chosen: list[tuple[str, str, str]]
) -> None:
    assert short(eventful("history", *words, "--json").json) == chosen


def test_a_version_that_no_rule_allows_is_known_from_the_history(
    synced: Cli, upstream: FakeUpstream
) -> None:
    upstream.upload("demo", "final-draft", "demo-final-draft.tar.gz")
    assert synced("sync").code == 0
    upstream.remove_release("demo", "final-draft")
    upstream.yank("demo", "1.0")
    assert synced("sync").code == 0
    rows = synced("history", "demo", "final-draft", "--json").json
    assert [row["version"] for row in rows] == ["final-draft"]


@pytest.mark.parametrize(
    ("since", "count"),
    [("7d", 4), ("36h", 3), ("2h", 2), ("3600", 2), ("60s", 0), ("0", 0)],
)
def test_since_a_duration(eventful: Cli, since: str, count: int) -> None:
    found = eventful("history", "--since", since, "--json").json
    assert short(found) == (ALL[-count:] if count else [])


def test_since_a_time(eventful: Cli) -> None:
    for form in ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S+00:00"):
        text = time.strftime(form, time.gmtime(time.time() - 3 * DAY))
        assert short(eventful("history", "--since", text, "--json").json) == ALL[2:]


def test_until_ends_what_since_begins(eventful: Cli) -> None:
    since, until = (
        time.strftime("%Y-%m-%d", time.gmtime(time.time() - days * DAY)) for days in (7, 3)
    )
    first = short(eventful("history", "--until", since, "--json").json)
    second = short(eventful("history", "--since", since, "--until", until, "--json").json)
    third = short(eventful("history", "--since", until, "--json").json)
    assert [len(first), len(second), len(third)] == [1, 1, 3]
    assert first + second + third == ALL
    assert short(eventful("history", "--until", "2h", "-n", "1", "--json").json) == [ALL[2]]


def test_a_long_reason_goes_on_below_on_a_terminal(synced: Cli, upstream: FakeUpstream) -> None:
    reason = " ".join(f"word{number}" for number in range(30))
    upstream.upload("a-project-with-a-long-name", "1.0")
    assert synced("sync").code == 0
    upstream.yank("demo", "1.0", reason)
    assert synced("sync").code == 0
    assert synced("history").out.splitlines()[1].endswith(reason)
    shown = typed(synced, "history", PAGER="cat", COLUMNS="80").text.splitlines()
    assert all(len(line) <= 80 for line in shown)
    assert " ".join(" ".join(shown[1:]).split()).endswith(reason)
    at = shown[0].index("REASON")
    assert len(shown) > 4 and all(line[:at].isspace() for line in shown[2:])
    upstream.yank("a-project-with-a-long-name", "1.0", reason)
    assert synced("sync").code == 0
    shown = typed(synced, "history", PAGER="cat", COLUMNS="80").text.splitlines()
    assert all(len(line) <= 80 for line in shown)
    assert sum(line.startswith("    word0 word1 ") for line in shown) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"), ("--since", "2026-13-01"), ("--since", "20261101"[:7] + "x"),
        ("--since", "2026-W10"), ("--since", "1w"), ("--since", ""), ("-n", "0"), ("-n", "x"),
        ("--until", "x"), ("--since", "1d", "--until", "2d"),
        ("--action", "nope"), ("de mo",), ("demo", "x y"), ("[",),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_2(eventful: Cli, arguments: tuple[str, ...]) -> None:
    done = eventful("history", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_a_pager_shows_it_on_a_terminal(eventful: Cli) -> None:
    pager = eventful.home / "pager"
    pager.write_text("#!/bin/sh\nsed 's/^/paged: /'\n")
    pager.chmod(0o755)
    shown = typed(eventful, "history", PAGER=str(pager))
    assert shown.code == 0
    lines = shown.text.splitlines()
    assert len(lines) == 1 + len(ALL)
    assert all(line.startswith("paged: ") for line in lines)
    assert "paged" not in typed(eventful, "history", "--json", PAGER=str(pager)).text
    assert "paged" not in eventful("history", PAGER=str(pager)).out


def test_a_pager_that_ends_early_is_no_failure(eventful: Cli) -> None:
    shown = typed(eventful, "history", PAGER="head -n 1")
    assert shown.code == 0
    assert re.match(r"TIME .*\n$", shown.text)


@pytest.mark.parametrize("words", [1, 40_000])  # more than a pipe holds
@pytest.mark.parametrize("trap", ["", "trap '' TERM"])
def test_a_signal_ends_the_pager_too(
    synced: Cli, upstream: FakeUpstream, words: int, trap: str
) -> None:
    upstream.yank("demo", "1.0", "word " * words)
    assert synced("sync").code == 0
    pager = synced.home / "pager"
    pager.write_text(
        f"#!/bin/sh\n{trap}\necho $$ > pager.pid\nsleep 0.5\nkill -TERM $PPID\nexec sleep 60\n"
    )
    pager.chmod(0o755)
    shown = typed(synced, "history", PAGER=str(pager))
    assert shown.code == 143
    assert shown.text.endswith("yanksync: interrupted; the next run goes on from here\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int((synced.home / "pager.pid").read_text()), 0)


@pytest.mark.parametrize("pager", ["", "cat", "no-such-pager", "'unclosed"])
def test_without_a_pager_it_is_printed(eventful: Cli, pager: str) -> None:
    shown = typed(eventful, "history", PAGER=pager)
    assert shown.code == 0 and len(shown.text.splitlines()) == 1 + len(ALL)


def test_less_ends_by_itself_when_all_fits(eventful: Cli) -> None:
    shown = typed(eventful, "history", PAGER="less", LESS="FRX")
    assert shown.code == 0 and "django-long-name" in shown.text
