"""Checks ``yanksync doctor`` on healthy mirrors and on each possible fault."""

from __future__ import annotations

import errno
import re
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.support import certificates
from tests.support.cli_runner import Cli, Done
from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.raw_server import wire
from tests.support.system.refused_calls import refusing, without
from yanksync.config.load import load
from yanksync.doctor.checks import Level
from yanksync.doctor.package_files import place_checks
from yanksync.doctor.schedule import schedule_check
from yanksync.system.file_lock import Holder

LISTED = b'{"meta": {"api-version": "1.1"}, "projects": [{"name": "demo"}]}'


def checks(yanksync: Cli, *args: str, code: int = 0, **environ: str) -> dict[str, Any]:
    """Return name → check; there is one of each name."""
    done = yanksync("doctor", "--json", *args, **environ)
    assert done.code == code, done
    assert done.json["ok"] == (code == 0)
    found = {check["name"]: check for check in done.json["checks"]}
    assert len(found) == len(done.json["checks"])
    assert all(check["level"] == "ok" or check["advice"] for check in found.values()), found
    return found


def levels(done: Done) -> list[str]:
    return [line.split()[0] for line in done.out.splitlines()]


def test_a_mirror_before_its_first_run(yanksync: Cli) -> None:
    done = yanksync("doctor")
    assert (done.code, done.err) == (0, "")
    assert set(levels(done)) <= {"ok", "warning"}
    assert "2 projects, 2 to mirror; JSON with serials" in done.out
    assert "xmlrpc, at serial " in done.out
    assert "none yet; run 'yanksync sync'" in done.out
    assert [path.name for path in yanksync.home.iterdir()] == ["yanksync.toml"]


def test_a_mirror_that_is_well(synced: Cli) -> None:
    before = synced.tree(), synced.content()
    found = checks(synced)
    assert {found[name]["level"] for name in found if name != "schedule"} == {"ok"}
    assert "can be written by " in found["output"]["text"]
    assert found["hard links"]["text"] == "the file system has them"
    assert (synced.tree(), synced.content()) == before
    assert synced.leftovers() == []


def test_on_a_terminal_levels_have_colours(synced: Cli) -> None:
    code, out, _ = synced.on_terminal("doctor", NO_COLOR="")
    assert code == 0
    assert "\x1b[32mok" in out and "\x1b[33mwarning" in out
    assert "\x1b" not in synced("doctor").out


def test_one_mistake_after_the_other_is_told(yanksync: Cli) -> None:
    yanksync.configure("workers = 'x'", mirror="yankd = 'omit'")
    found = yanksync("doctor", "--json")
    assert found.code == 1
    assert [check["name"] for check in found.json["checks"]] == ["configuration"] * 2
    assert "2 checks failed" in found.err
    assert yanksync("doctor", "-q").err == ""


def test_an_upstream_that_is_down(yanksync: Cli) -> None:
    with serve(FakeUpstream()) as gone:
        yanksync.configure(f'simple_url = "{gone.simple_url}"')
    found = checks(yanksync, code=1)
    assert found["upstream"]["level"] == "failure"
    assert "no connection: Connection refused" in found["upstream"]["text"]
    assert "journal" not in found and found["output"]["level"] == "ok"


@pytest.mark.parametrize("projects", ["['*']", "['demo']"])
def test_a_wrong_address(yanksync: Cli, served: Served, projects: str) -> None:
    yanksync.configure(f'simple_url = "{served.root_url}"', mirror=f"projects = {projects}")
    found = checks(yanksync, code=1)
    (wrong,) = (one for one in found.values() if one["level"] == "failure")
    assert f"{served.simple_url} is a package index" in wrong["advice"]


def test_a_list_that_cannot_be_read(yanksync: Cli, upstream: FakeUpstream) -> None:
    upstream.fail("^/simple/$", Fault.garbage(), times=None)
    found = checks(yanksync, code=1)
    assert found["upstream"]["level"] == "failure"
    assert found["journal"]["level"] == "ok"


def test_a_page_that_cannot_be_read(yanksync: Cli, upstream: FakeUpstream) -> None:
    def page(fault: Fault) -> dict[str, str]:
        upstream.heal()
        upstream.fail("^/simple/demo/$", fault, times=None)
        found: dict[str, str] = checks(yanksync, code=1)["page"]
        return found

    refused = page(Fault.status(403))
    assert "403" in refused["text"] and "~/.netrc" in refused["advice"]
    assert "check the address and the network" in page(Fault.status(502))["advice"]
    busy = page(Fault.status(429, 600))
    assert "asks to wait 600 s" in busy["text"] and "try again" in busy["advice"]
    assert "must be the address of a Simple API" in page(Fault.garbage())["advice"]


def test_a_name_that_upstream_does_not_have(yanksync: Cli, served: Served) -> None:
    yanksync.configure(f'simple_url = "{served.simple_url}"', mirror="projects = ['demmo']")
    found = checks(yanksync)
    assert found["page"]["level"] == "warning"
    assert found["page"]["text"] == "upstream does not have demmo"


def test_a_selection_of_nothing(yanksync: Cli, served: Served) -> None:
    yanksync.configure(f'simple_url = "{served.simple_url}"', mirror="projects = ['nothing-*']")
    assert "2 projects, 0 to mirror" in checks(yanksync)["upstream"]["text"]


def test_kinds_of_journal(yanksync: Cli, served: Served, upstream: FakeUpstream) -> None:
    def journal(setting: str, mirror: str = "", code: int = 0) -> str:
        address = f'simple_url = "{served.simple_url}"\njournal = "{setting}"'
        yanksync.configure(address, mirror=mirror)
        return str(checks(yanksync, code=code)["journal"]["text"])

    named = "projects = ['demo']"
    assert journal("listing").startswith("listing: ")
    assert journal("none", named).startswith("none: ")
    upstream.xmlrpc_status = 404
    assert journal("auto").startswith("listing: ")
    assert journal("auto", named).startswith("none: ")
    assert "no journal" in journal("xmlrpc", code=1)
    upstream.xmlrpc_status = 403
    assert "403" in journal("auto", code=1)


def test_an_index_without_serials(yanksync: Cli, upstream: FakeUpstream) -> None:
    upstream.xmlrpc_status = 404
    page = Fault.body(LISTED, "application/vnd.pypi.simple.v1+json")
    upstream.fail("^/simple/$", page, times=None)
    found = checks(yanksync, code=1)
    assert found["journal"]["level"] == "failure"
    assert "name the projects one by one" in found["journal"]["advice"]


def answer(date: float, *headers: str) -> list[bytes]:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.pypi.simple.v1+json\r\n"
        f"Date: {formatdate(date, usegmt=True)}\r\n"
        f"Content-Length: {len(LISTED)}\r\n"
    )
    lines = "".join(f"{line}\r\n" for line in (*headers, ""))
    return [(head + lines).encode() + LISTED]  # a list: the connection is kept


def test_a_clock_that_is_wrong(yanksync: Cli) -> None:
    with wire(lambda head: answer(time.time() - 7200)) as running:
        yanksync.configure(f'simple_url = "{running.url()}"')
        found = checks(yanksync, code=1)
    assert found["clock"]["level"] == "warning"
    assert " s ahead of upstream's" in found["clock"]["text"]


def test_a_cache_is_no_wrong_clock(yanksync: Cli) -> None:
    with wire(lambda head: answer(time.time() - 7200, "Age: 7200")) as running:
        yanksync.configure(f'simple_url = "{running.url()}"')
        found = checks(yanksync, code=1)
    assert found["clock"]["level"] == "ok"


def test_certificates(yanksync: Cli, tmp_path: Path) -> None:
    certificates.found(tmp_path)
    context = certificates.made_by(tmp_path, "IP:127.0.0.1")
    with wire(lambda head: answer(time.time()), context) as running:
        address = running.url().replace("http:", "https:")
        yanksync.configure(f'simple_url = "{address}"')
        refused = checks(yanksync, code=1)["upstream"]
        assert "certificate is not trusted" in refused["text"]
        assert "REQUESTS_CA_BUNDLE" in refused["text"]
        bundle = str(tmp_path / "ca.pem")
        trusted = checks(yanksync, code=1, REQUESTS_CA_BUNDLE=bundle)["tls"]
    assert trusted["level"] == "warning"  # it ends in two days
    assert "is trusted, and valid until 20" in trusted["text"]


def test_a_proxy_is_named_without_its_password(yanksync: Cli) -> None:
    yanksync.configure('simple_url = "https://upstream.example/simple/"')
    proxy = "http://me:hush@127.0.0.1:9"
    done = yanksync("doctor", https_proxy=proxy)
    assert done.code == 1
    assert "http://***@127.0.0.1:9; cron and systemd need its variables, too" in done.out
    assert "the proxy: " in done.out and "hush" not in done.out + done.err


def test_what_a_file_system_lacks(synced: Cli) -> None:
    done = synced("doctor", **refusing(synced.home, "link", by=errno.EPERM))
    assert done.code == 0
    assert re.search(r"^warning +hard links +the file system has none", done.out, re.MULTILINE)
    done = synced("doctor", **refusing(synced.home, "flock", by=errno.ENOLCK))
    assert done.code == 1
    assert re.search("^failure +locks .*cannot be locked", done.out, re.MULTILINE)
    assert synced.leftovers() == []


def test_places_that_are_in_the_way(yanksync: Cli) -> None:
    yanksync.output.write_text("a file")
    yanksync.state.write_text("no database, and long enough to be looked at" * 100)
    found = yanksync("doctor", "--json")
    assert found.code == 1
    failed = [one for one in found.json["checks"] if one["level"] == "failure"]
    assert {"output", "state"} == {one["name"] for one in failed}


def test_where_files_wait_that_are_out_of_service(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()

    def found(**keys: object) -> list[tuple[str, str]]:
        places = {"mirror_output": str(tmp_path / "mirror"), "mirror_files": "copy"}
        settings = load(None, {}, **places, mirror_state=str(tmp_path / "state.db"), **keys)
        return [(str(check.level), check.text) for check in place_checks(settings)]

    withheld = tmp_path / "state.db.withheld"
    assert found() == [("ok", f"{withheld} keeps files that are out of service")]
    withheld.mkdir(mode=0o755)
    assert found() == [("warning", f"others can read {withheld}, and it may hold malware")]
    withheld.chmod(0o700)
    assert found()[0][0] == "ok"
    withheld.rmdir()
    withheld.write_text("in the way")
    (level, text), *_ = found()
    assert (level, text.startswith(f"{withheld} cannot be written")) == ("failure", True)
    _, (level, text) = found(files_free_space="999TiB")
    assert (level, "files.free_space keeps 1,047,527,424 MiB" in text) == ("failure", True)


def test_the_last_run_and_one_at_work(synced: Cli, upstream: FakeUpstream) -> None:
    with synced.locked(age=7300):
        at_work = checks(synced)["run at work"]
        assert at_work["text"] == "yes for 2 h (process 4711 on elsewhere)"
    synced.let_pass(2 * 86400)
    with synced.database() as connection:
        connection.execute("UPDATE runs SET ended = ended - ?", (2 * 86400,))
    late = checks(synced)["last run"]
    assert (late["level"], late["text"]) == ("warning", "ended 2 days ago")
    upstream.fail("/pypi", Fault.status(500), times=None)
    assert synced("sync").code == 1
    upstream.heal()
    last = checks(synced, code=1)["last run"]
    assert "500" in last["text"] and "yanksync -v sync" in last["advice"]


def test_what_is_held_is_told(yanksync: Cli, served: Served, upstream: FakeUpstream) -> None:
    for number in range(8):
        upstream.upload(f"more-{number}", "1.0")
    assert yanksync("sync").code == 0
    yanksync.configure(f'simple_url = "{served.simple_url}"', mirror="exclude = ['more-*']")
    assert yanksync("sync").code == 4
    found = checks(yanksync)
    assert found["held"]["level"] == "warning"
    assert found["held"]["advice"] == "see 'yanksync holds'"
    assert found["last run"]["level"] == "ok"


def test_extras(yanksync: Cli, served: Served) -> None:
    yanksync.configure(f'simple_url = "{served.simple_url}"', mirror='compress = ["br", "zstd"]')
    assert checks(yanksync)["extras"]["text"] == "brotli, zstandard can be loaded"
    broken = yanksync.home / "broken"
    broken.mkdir()
    (broken / "brotli.py").write_text("raise ImportError('made for another Python')")
    path = f"{broken}:{Path(__file__).parents[2]}"
    found = checks(yanksync, code=1, PYTHONPATH=path)["extras"]
    assert found["text"] == "brotli: made for another Python"
    assert found["advice"] == "pip install 'yanksync[compress]'"
    missing = yanksync("doctor", "--json", **without(yanksync.home, "brotli"))
    assert missing.code == 1


UNIT = "[Service]\nExecStart=/opt/yanksync/bin/yanksync --config /etc/yanksync.toml sync\n"
TABLE = "*/5 * * * * mirror /opt/yanksync/bin/yanksync sync --cron\n"


def level(root: Path, run: Holder | None = None) -> Level:
    return schedule_check(run, root, root / "home").level


def test_what_starts_the_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert level(tmp_path) is Level.WARNING
    assert level(tmp_path, Holder(who="x", command="run")) is Level.OK
    assert level(tmp_path, Holder(who="x", command="sync")) is Level.WARNING
    cron = tmp_path / "etc/cron.d"
    cron.mkdir(parents=True)
    (cron / "mirror").write_text(f"MAILTO=root\n# {TABLE}")
    assert level(tmp_path) is Level.WARNING
    (cron / "mirror").write_text(TABLE)
    assert level(tmp_path) is Level.OK
    (cron / "mirror").unlink()
    crontab = tmp_path / "bin/crontab"
    crontab.parent.mkdir()
    crontab.write_text(f"#!/bin/sh\necho '{TABLE}'\n")
    crontab.chmod(0o755)
    assert level(tmp_path) is Level.OK


@pytest.mark.parametrize("place", ["etc/systemd/system", "home/.config/systemd/user"])
def test_a_unit_counts_once_it_is_enabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    units = tmp_path / place
    units.mkdir(parents=True)
    (units / "mirror.service").write_text(UNIT)
    (units / "mirror.timer").write_text("[Timer]\n")
    idle = schedule_check(None, tmp_path, tmp_path / "home")
    assert idle.level is Level.WARNING and "enable --now mirror.timer" in idle.advice
    (units / "timers.target.wants").mkdir()
    (units / "timers.target.wants/mirror.timer").symlink_to(units / "mirror.timer")
    assert level(tmp_path) is Level.OK


@pytest.mark.parametrize("url", ["mirror.example", "ftp://mirror.example/", "http://h/?q"])
def test_an_address_that_is_none_is_2(yanksync: Cli, url: str) -> None:
    done = yanksync("doctor", "--url", url)
    assert (done.code, done.out) == (2, "")


def test_nobody_answers_at_the_address(synced: Cli) -> None:
    done = synced("doctor", "--url", "http://127.0.0.1:9/")
    assert done.code == 1
    assert "start the web server, or correct --url" in done.out
