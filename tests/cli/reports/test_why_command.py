"""``why``, and what ``status`` and ``check`` say of cooldown and overrides."""

from __future__ import annotations

import re
import time

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
AGE = '[cooldown]\nage = "1d"\n'


def young(cli: Cli, upstream: FakeUpstream, more: str = "") -> str:
    """Let a release be a few seconds old; return the configuration without ``more``."""
    upstream.clock = int(time.time())
    upstream.upload("demo", "3.0")
    text = cli.config.read_text()
    cli.config.write_text(text + more)
    assert cli("sync").code == 0
    return text


def ruled(cli: Cli, *args: str) -> list[str]:
    """Return the lines of the section that names rules."""
    out = cli("why", *args).out
    assert all(len(line) <= 80 for line in out.splitlines())
    section = out.split("\nRules\n")[1].split("\n\n")[0]
    return [line.strip() for line in section.replace("\n      ", " ").splitlines()]


def test_why_names_the_rule_and_its_end(yanksync: Cli, upstream: FakeUpstream) -> None:
    young(yanksync, upstream, AGE)
    done = yanksync("why", "Demo", "3")
    assert done.code == 0
    assert re.match(
        rf"No: demo 3 is hidden by cooldown\.age until {RFC_3339.pattern}\.\n", done.out
    )
    found = yanksync("why", "demo", "3", "--json").json
    (row,) = found["rules"]
    assert {key: row[key] for key in ("file", "version", "action", "rule", "reason")} == {
        "file": "demo-3.0.tar.gz",
        "version": "3.0",
        "action": "hide",
        "rule": "cooldown.age",
        "reason": "",
    }
    assert ruled(yanksync, "demo") == [
        f"demo-3.0.tar.gz  hidden by cooldown.age until {row['until']}"
    ]
    assert found["offered"]["hidden"] == 1 and found["releases"][0]["pip"] == "fails"
    assert "Rules" not in yanksync("why", "demo", "1.0").out


def test_why_knows_patterns_and_overrides(yanksync: Cli, upstream: FakeUpstream) -> None:
    override = '\n[[override]]\nmatch = "demo==1"\naction = "yank"\nreason = "use 2.0"\n'
    young(yanksync, upstream, f'[cooldown.projects]\n"d*" = "1d"{override}')
    first, second = ruled(yanksync, "demo")
    assert first == (
        "demo-1.0.tar.gz  marked yanked by override demo==1 (use 2.0) until the rules change"
    )
    assert second.startswith("demo-3.0.tar.gz  hidden by cooldown.projects 'd*' until 20")
    assert yanksync("why", "demo", "1.0").out.startswith(
        "Only if it is pinned exactly: demo 1.0 is yanked by override demo==1: use 2.0.\n"
    )


def test_a_rule_may_end_after_every_date(synced: Cli) -> None:
    override = '\n[[override]]\nmatch = "demo==1"\naction = "yank"\nuntil = "9999-12-31"\n'
    synced.config.write_text(synced.config.read_text() + override)
    assert synced("sync").code == 0
    (row,) = synced("why", "demo", "--json").json["rules"]
    assert row["until"] == "9999-12-31T23:59:59Z"
    (synced.home / "pins.txt").write_text("demo==1.0\n")
    (pin,) = synced("audit", "pins.txt", "--format", "json").json["pins"]
    assert [one["until"] for one in pin["findings"]] == [row["until"]]


def test_why_gives_each_rule_its_own_reason(yanksync: Cli, upstream: FakeUpstream) -> None:
    override = '\n[[override]]\nmatch = "demo"\naction = "yank"\nreason = "no licence"\n'
    text = young(yanksync, upstream, AGE + override)
    *_, out = ruled(yanksync, "demo", "3")
    assert out.startswith("demo-3.0.tar.gz  hidden by cooldown.age until 20")
    yanksync.config.write_text(f'{text}{AGE}mode = "yank"\n{override}')
    assert yanksync("sync").code == 0
    out, more = ruled(yanksync, "demo", "3")
    assert out.startswith("demo-3.0.tar.gz  marked yanked by cooldown.age until 20")
    assert more == (
        "demo-3.0.tar.gz  marked yanked by override demo (no licence) until the rules change"
    )
    assert yanksync("status", "--json").json["cooldown_waiting"] == 1


def test_a_project_may_be_named_like_a_rule(yanksync: Cli, upstream: FakeUpstream) -> None:
    upstream.upload("age", "1.0")
    override = '\n[[override]]\nmatch = "age"\naction = "yank"\nreason = "old"\n'
    text = yanksync.config.read_text()
    yanksync.config.write_text(f'{text}[cooldown.projects]\n"a*" = "1d"\n{override}')
    assert yanksync("sync").code == 0
    assert ruled(yanksync, "age") == [
        "age-1.0.tar.gz  marked yanked by override age (old) until the rules change"
    ]


def test_why_of_what_is_not_there(synced: Cli) -> None:
    done = synced("why", "dmo", "--json")
    assert (done.code, done.out) == (1, "")
    assert "dmo: the mirror knows no such project; did you mean 'demo'?" in done.err
    assert synced("why", "no such name").code == 2
    for version in ("", " "):
        done = synced("why", "demo", version)
        assert (done.code, done.out) == (2, "")
        assert "VERSION: is empty; name a version, or leave it out" in done.err


def test_the_answer_fits_a_narrow_terminal(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "1.0", "it is broken, so take another release instead of it")
    assert synced("sync").code == 0
    lines = synced("why", "demo", COLUMNS="40").out.splitlines()
    assert max(map(len, lines)) <= 40
    narrow = synced("why", "demo", "1.0+a-local-version.that.is-as-long-as-40", COLUMNS="40").out
    assert "1.0+a-local-version.that.is-as-long-as-40" in narrow  # it can be copied whole
    assert max(map(len, synced("why", "demo", COLUMNS="200").out.splitlines())) <= 80


def test_why_without_a_mirror_or_a_selection(yanksync: Cli) -> None:
    done = yanksync("why", "demo")
    assert (done.code, done.out) == (1, "")
    assert "no mirror here yet" in done.err
    yanksync.config.write_text(yanksync.config.read_text() + '[mirror]\nprojects = ["demo"]\n')
    assert yanksync("sync").code == 0
    done = yanksync("why", "other")
    assert (done.code, done.out) == (1, "")
    assert "other: mirror.projects and mirror.exclude leave it out" in done.err


def test_status_counts_what_waits_and_names_what_matches_nothing(
    yanksync: Cli, upstream: FakeUpstream
) -> None:
    override = '\n[[override]]\nmatch = "missing==1"\naction = "hide"\n'
    young(yanksync, upstream, AGE + override)
    found = yanksync("status", "--json").json
    assert found["cooldown_waiting"] == 1
    assert RFC_3339.fullmatch(found["cooldown_next"])
    assert found["unmatched_overrides"] == ["missing==1"]
    text = yanksync("status").out
    assert f"cooldown waiting  1 files  (the next {found['cooldown_next']})" in text
    assert "override          missing==1 matches nothing" in text


def test_a_wrong_clock_is_a_warning(yanksync: Cli, upstream: FakeUpstream) -> None:
    young(yanksync, upstream, AGE)
    upstream.date = lambda: time.time() - 3600.0
    done = yanksync("sync")
    assert done.code == 0
    assert len(done.err.splitlines()) == 1
    assert "the clock of this machine" in done.err
    assert "the clock of this machine" in yanksync("status").out
    checked = yanksync("check")
    assert checked.code == 1
    assert checked.out.startswith("WARNING: the clock of this machine")
    upstream.date = time.time
    assert yanksync("sync").err == ""
    assert yanksync("check").code == 0


def test_a_dry_run_lists_each_file(synced: Cli, upstream: FakeUpstream) -> None:
    text = young(synced, upstream)
    synced.config.write_text(text + AGE)
    lines = synced("sync", "--dry-run").out.splitlines()
    assert "- demo-3.0.tar.gz" in lines
    assert synced("sync").code == 0
    synced.config.write_text(text)
    assert "+ demo-3.0.tar.gz" in synced("sync", "--dry-run").out.splitlines()
