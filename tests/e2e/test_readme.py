"""What the blocks of docs/ do beyond what they print: files, units, calls, requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream, serve
from tests.support.http_receiver import receiver
from tests.support.machine import Prepared

pytestmark = pytest.mark.e2e


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Prepared]:
    upstream = FakeUpstream()
    for name in ("demo", "demo-tools", "unrelated"):
        upstream.upload(name, "1.0")
        upstream.upload(name, "2.0")
    with serve(upstream) as served:
        yield Prepared(tmp_path, upstream, served)


def test_an_index_without_a_journal(machine: Prepared) -> None:
    (configuration,) = page_blocks("explanation/how-it-works", "toml")
    machine.upstream.upload("other-demo", "1.0")
    machine.configure(configuration, machine.served)
    machine.run("yanksync sync")
    pages = (machine.root / "mirror/simple").glob("*/index.v1_json")
    assert {path.parent.name for path in pages} == {"demo", "other-demo"}
    assert {
        asked.path for asked in machine.upstream.requests if asked.path.startswith("/pypi")
    } == set()


def test_cron(machine: Prepared) -> None:
    show, *_ = page_blocks("how-to/cron", "sh")
    machine.run(show)
    line = (machine.root / "etc/cron.d/yanksync").read_text().splitlines()[-1]
    *schedule, user, command = line.split(None, 6)
    assert (schedule, user) == (["*/5", "*", "*", "*", "*"], "yanksync")
    assert machine.run(command) == ""
    assert (machine.output / "simple/demo/index.html").exists()


def test_the_timer(machine: Prepared) -> None:
    _, timer, _ = page_blocks("how-to/systemd", "sh")
    machine.run(timer)
    units = machine.root / "etc/systemd/system"
    assert {path.name for path in units.iterdir()} == {"yanksync.service", "yanksync.timer"}
    called = machine.called.read_text().splitlines()
    assert called[-1] == "systemctl enable --now yanksync.timer"
    assert machine.run(start_of(units / "yanksync.service")) == ""
    assert (machine.output / "simple/demo/index.html").exists()


def start_of(unit: Path) -> str:
    """Return what a service starts."""
    (line,) = re.findall("^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    return str(line)


def test_the_service(machine: Prepared) -> None:
    *_, commands = page_blocks("how-to/systemd", "sh")
    machine.run(commands)
    unit = machine.root / "etc/systemd/system/yanksync-run.service"
    assert re.search(r"yanksync.* run$", start_of(unit))
    assert "enable --now yanksync-run.service" in machine.called.read_text()


def test_following(machine: Prepared) -> None:
    (follow,) = page_blocks("how-to/follow", "toml")
    followed = page_blocks("how-to/follow")[1]
    machine.configure(follow, machine.served)
    machine.run("yanksync sync")
    assert (machine.root / "mirror/simple/demo/index.html").exists()
    assert json.loads(machine.run("yanksync status --json"))["journal"] == "listing"
    machine.configure(f"{follow}\n{followed}", machine.served)
    machine.run("yanksync sync")
    known = json.loads((machine.root / "mirror/simple/demo/index.legacy_json").read_text())
    assert set(known["releases"]) == {"1.0", "2.0"}


def test_hooks(machine: Prepared) -> None:
    (configuration,) = page_blocks("reference/hooks", "toml")
    addresses = page_blocks("how-to/purge-caches")[1]
    told = machine.root / "told"
    machine.program("purge", f"cat >> {told}", "usr/local/bin")
    with receiver() as inbox:
        text = configuration.replace("https://hooks.example/", inbox.url)
        machine.configure(text, machine.served)
        machine.run("yanksync sync")
        assert addresses in told.read_text()
        (call,) = inbox.taken
        assert (call.path, call.headers["authorization"]) == ("/mirror", "Bearer s3cret")
        assert set(addresses.splitlines()) <= set(call.json["paths"])
    (manifest,) = (machine.root / "var/lib/yanksync/manifests").iterdir()
    assert "put simple/demo/index.html.gz\nput simple/demo/index.html\n" in manifest.read_text()


def test_cloudfront_is_told_of_paths(machine: Prepared) -> None:
    """Its program is one that notes what it is asked."""
    (command,) = (block for block in page_blocks("how-to/purge-caches") if "cloudfront" in block)
    machine.program("aws", f'printf "%s\\n" "$*" >> {machine.called}; test ! -e {machine.root}/no')
    for told in ("simple/demo/\nsimple/demo/index.html", "simple/*"):
        machine.run(f"printf '{told}\\n' | (\n{command}\n)")
    create = "cloudfront create-invalidation --distribution-id E1EXAMPLE --paths"
    assert machine.called.read_text().splitlines() == [
        f"{create} /simple/demo/ /simple/demo/index.html",
        f"{create} /simple/*",
    ]
    (machine.root / "no").touch()
    machine.run(f"echo simple/ | (\n{command}\n)", 123)  # not 0, so it is told again


def test_monitoring(machine: Prepared) -> None:
    check, _, configuration, alerts = page_blocks("how-to/monitor")
    machine.run(check, 3)  # no mirror here yet
    textfile = machine.root / "var/lib/node_exporter/textfile"
    textfile.mkdir(parents=True)
    with receiver() as inbox:
        text = configuration.replace("https://checks.example/", inbox.url)
        machine.configure(text, machine.served)
        machine.run("yanksync sync")
        path = "/0f8c1a66-0000-0000-0000-000000000000"
        assert inbox.paths == [f"{path}/start", path]
    machine.run(check)
    written = (textfile / "yanksync.prom").read_text()
    for rule in yaml.safe_load(alerts)["groups"][0]["rules"]:
        for metric in re.findall(r"yanksync_\w+", rule["expr"]):
            assert re.search(rf"^{metric}[ {{]", written, re.MULTILINE), metric


def test_shell_completion(machine: Prepared) -> None:
    *_, commands, _ = page_blocks("how-to/install", "sh")
    machine.run(commands)
    asked = "COMP_WORDS=(yanksync app); COMP_CWORD=1; _yanksync_completion yanksync; "
    said = machine.run(f"bash --norc -c '. ~/.bashrc; {asked}echo ${{COMPREPLY[@]}}; complete -p'")
    assert said.splitlines()[0] == "approve" and "yanksync" in said.splitlines()[-1]
