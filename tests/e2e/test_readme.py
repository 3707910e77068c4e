"""README's commands, section by section, run as they stand there: only the root is another."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.fake_index.index import FakeUpstream, serve
from tests.support.foreign_trees import Tree
from tests.support.http_receiver import receiver
from tests.support.machine import SECTIONS, Prepared

pytestmark = pytest.mark.e2e

HELD = 4


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Prepared]:
    upstream = FakeUpstream()
    for name in ("demo", "demo-tools", "unrelated"):
        upstream.upload(name, "1.0")
        upstream.upload(name, "2.0")
    with serve(upstream) as served:
        yield Prepared(tmp_path, upstream, served)


def test_a_first_mirror(machine: Prepared) -> None:
    _, init, commands, *_ = SECTIONS["A first mirror"]
    (machine.root / "yanksync.toml").unlink()
    init = init.replace("https://upstream.example/simple/", machine.served.simple_url)
    written = machine.run(init)
    assert "2 to mirror" in written and "yanksync sync " in written
    assert "last success" in machine.run(commands)
    pages = (machine.root / "mirror/simple").glob("*/index.html")
    assert {page.parent.name for page in pages} == {"demo", "demo-tools"}


def test_a_first_mirror_as_it_is_described(machine: Prepared) -> None:
    *_, commands, _ = SECTIONS["A first mirror"]
    assert "last success" in machine.run(commands)
    names = {path.name for path in (machine.output / "simple").iterdir() if path.is_dir()}
    assert names == {"demo", "demo-tools"}


def test_a_first_mirror_of_an_index_without_a_journal(machine: Prepared) -> None:
    *_, configuration = SECTIONS["A first mirror"]
    machine.upstream.upload("other-demo", "1.0")
    machine.configure(configuration, machine.served)
    machine.run("yanksync sync")
    pages = (machine.root / "mirror/simple").glob("*/index.v1_json")
    assert {path.parent.name for path in pages} == {"demo", "other-demo"}
    assert {
        asked.path for asked in machine.upstream.requests if asked.path.startswith("/pypi")
    } == set()


def test_under_cron(machine: Prepared) -> None:
    entry, show, lag, backup = SECTIONS["Under cron"]
    *_, line = entry.splitlines()
    schedule, user, command = re.fullmatch(r"((?:\S+ ){5}) *(\S+)  *(.*)", line).groups()  # type: ignore[union-attr]
    assert (schedule.split(), user) == (["*/5", "*", "*", "*", "*"], "mirror")
    assert machine.run(command) == ""
    assert (machine.output / "simple/demo/index.html").exists()
    assert machine.run(show).splitlines()[-1].split()[:6] == [*schedule.split(), "mirror"]
    machine.run(lag)
    machine.run(backup)
    assert (machine.root / "var/backups/yanksync.db").stat().st_size


def test_with_a_systemd_timer(machine: Prepared) -> None:
    (commands,) = SECTIONS["With a systemd timer"]
    machine.run(commands)
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


def test_as_a_service(machine: Prepared) -> None:
    (commands,) = SECTIONS["As a service"]
    machine.run(commands)
    unit = machine.root / "etc/systemd/system/yanksync-run.service"
    assert re.search(r"yanksync.* run$", start_of(unit))
    assert "enable --now yanksync-run.service" in machine.called.read_text()


def test_serve_it(machine: Prepared) -> None:
    nginx, caddy = SECTIONS["Serve it"]
    machine.nginx()
    machine.run(nginx)
    machine.run(caddy)
    if shutil.which("caddy") is None:
        pytest.fail("these tests need Caddy: run scripts/test, or apt-get install caddy")
    machine.run(
        f"caddy validate --adapter caddyfile --config {machine.root}/etc/caddy/Caddyfile 2>&1"
    )


def test_moving_over(machine: Prepared) -> None:
    look, adopt, approve = SECTIONS["Moving over from bandersnatch or shadowmire"]
    gone = [f"demo-{number}" for number in range(101)]
    for name in gone:
        machine.upstream.upload(name, "1.0")
    Tree(machine.upstream, machine.output).make()
    for name in gone:
        machine.upstream.remove_project(name)
    machine.upstream.yank("demo", "1.0", "bad")
    before = {path: path.read_bytes() for path in machine.output.rglob("*") if path.is_file()}
    said = machine.run(look)
    assert "gone  simple/demo-100/" in said and "left-out  simple/unrelated/" in said
    assert {path: path.read_bytes() for path in before} == before
    assert not (machine.root / "var/lib/yanksync/yanksync.db").exists()
    assert "next: yanksync sync" in machine.run(adopt, HELD)
    page = json.loads((machine.output / "simple/demo/index.v1_json").read_text())
    assert {file["yanked"] for file in page["files"]} == {"bad", False}
    assert (machine.output / "simple/demo-7/index.html").exists()
    machine.run(approve)
    machine.run("yanksync sync")
    names = {path.name for path in (machine.output / "simple").iterdir() if path.is_dir()}
    assert names == {"demo", "demo-tools"}


def test_following_this_mirror(machine: Prepared) -> None:
    follow, followed, _ = SECTIONS["Following this mirror"]  # the last: test_bandersnatch.py
    machine.configure(follow, machine.served)
    machine.run("yanksync sync")
    assert (machine.root / "mirror/simple/demo/index.html").exists()
    assert json.loads(machine.run("yanksync status --json"))["journal"] == "listing"
    machine.configure(f"{follow}\n{followed}", machine.served)
    machine.run("yanksync sync")
    known = json.loads((machine.root / "mirror/simple/demo/index.legacy_json").read_text())
    assert set(known["releases"]) == {"1.0", "2.0"}


def test_caches_and_copies(machine: Prepared) -> None:
    configuration, addresses, *_ = SECTIONS["Caches and copies"]
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
    (command,) = (block for block in SECTIONS["A command"] if "cloudfront" in block)
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


def test_health(machine: Prepared) -> None:
    check, configuration, alerts = SECTIONS["Health"]
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
    (commands,) = SECTIONS["Shell completion and man page"]
    machine.run(commands)
    asked = "COMP_WORDS=(yanksync app); COMP_CWORD=1; _yanksync_completion yanksync; "
    said = machine.run(f"bash --norc -c '. ~/.bashrc; {asked}echo ${{COMPREPLY[@]}}; complete -p'")
    assert said.splitlines()[0] == "approve" and "yanksync" in said.splitlines()[-1]
