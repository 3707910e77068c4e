"""README's commands, section by section, run as they stand there: only the root is another.

``/etc``, ``/opt``, ``/srv`` and ``/var`` are directories of the test. What would change this
machine (users, services) is a program of the same name that only notes what it was asked; nginx and
Caddy are the real ones.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import docutils.core
import docutils.nodes
import pytest

from tests.fake_trees import Tree
from tests.fake_upstream import FakeUpstream, Served, serve

pytestmark = pytest.mark.e2e

HELD = 4
README = Path(__file__).parents[2] / "README.rst"
_ROOTED = re.compile(r"(?<![\w.~])/(?=(?:etc|opt|srv|var)/)")
_NGINX = """\
pid {root}/nginx.pid; error_log {root}/error.log; events {{}}
http {{ access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
include {root}/etc/nginx/conf.d/*.conf; }}
"""


def sections() -> dict[str, list[str]]:
    """Return the literal blocks of each section: title → blocks, configurations among them."""
    document = docutils.core.publish_doctree(
        README.read_text(encoding="utf-8"), settings_overrides={"syntax_highlight": "none"}
    )
    return {
        section[0].astext(): [
            block.astext() for block in section.findall(docutils.nodes.literal_block)
        ]
        for section in document.findall(docutils.nodes.section)
    }


SECTIONS = sections()


class Machine:
    """A machine that has just what a section of README needs."""

    def __init__(self, root: Path, upstream: FakeUpstream, served: Served) -> None:
        self.root = root
        self.upstream = upstream
        self.called = root / "called"
        self.output = root / "srv/mirror"
        self._bin = root / "bin"
        for directory in (
            *("bin", "etc/systemd/system", "etc/nginx/conf.d", "etc/caddy", "srv"),
            *("var/lib/yanksync", "var/backups", "opt/yanksync/bin"),
        ):
            (root / directory).mkdir(parents=True)
        self._program("yanksync", f'exec {sys.executable} -m yanksync "$@"')
        shutil.copy(self._bin / "yanksync", root / "opt/yanksync/bin/yanksync")
        for name in ("useradd", "systemctl", "install"):
            self._program(name, f'echo "{name} $*" >> {self.called}')
        self.configure(served.simple_url)

    def _program(self, name: str, body: str) -> None:
        path = self._bin / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def configure(self, simple_url: str) -> None:
        """Write README's own first configuration, with an upstream that exists."""
        text = SECTIONS["A first mirror"][0].replace("https://upstream.example/simple/", simple_url)
        text = self.rooted(text).replace("[upstream]", "[upstream]\njournal_interval = 0\n")
        for place in (self.root, self.root / "etc"):
            (place / "yanksync.toml").write_text(text)

    def rooted(self, text: str) -> str:
        """Return ``text`` with the directories of a machine below the test's."""
        return _ROOTED.sub(f"{self.root}/", text)

    def run(self, block: str, code: int = 0) -> str:
        """Run the lines of a block in a shell that stops at the first failure, ending in ``code``.

        Returns what they print; on a success nothing may be said beside it.
        """
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", self.rooted(block)],
            cwd=self.root,
            env={
                **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
                "PATH": f"{self._bin}:/usr/sbin:{os.defpath}",
                "HOME": str(self.root),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, code or done.stderr) == (code, code or ""), (block, done.stderr)
        return done.stdout

    def nginx(self) -> None:
        """Let ``nginx`` be the real one, with a main configuration of its own."""
        real = shutil.which("nginx", path=f"/usr/sbin:{os.defpath}")
        main = self.root / "nginx.conf"
        main.write_text(_NGINX.format(root=self.root))
        where = f"-p {self.root} -e {self.root}/error.log -c {main}"
        # No server runs here that could be told to read it again.
        self._program("nginx", f'[ "$1" != -s ] || exit 0\nexec {real} {where} -q "$@"')


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    upstream = FakeUpstream()
    for name in ("demo", "demo-tools", "unrelated"):
        upstream.upload(name, "1.0")
        upstream.upload(name, "2.0")
    with serve(upstream) as served:
        yield Machine(tmp_path, upstream, served)


def test_a_first_mirror(machine: Machine) -> None:
    _, commands, *_ = SECTIONS["A first mirror"]
    assert "last success" in machine.run(commands)
    names = {path.name for path in (machine.output / "simple").iterdir() if path.is_dir()}
    assert names == {"demo", "demo-tools"}


def test_under_cron(machine: Machine) -> None:
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


def test_with_a_systemd_timer(machine: Machine) -> None:
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


def test_as_a_service(machine: Machine) -> None:
    (commands,) = SECTIONS["As a service"]
    machine.run(commands)
    unit = machine.root / "etc/systemd/system/yanksync-run.service"
    assert re.search(r"yanksync.* run$", start_of(unit))
    assert "enable --now yanksync-run.service" in machine.called.read_text()


def test_serve_it(machine: Machine) -> None:
    nginx, caddy = SECTIONS["Serve it"]
    machine.nginx()
    machine.run(nginx)
    machine.run(caddy)
    if shutil.which("caddy") is None:
        pytest.fail("these tests need Caddy: run scripts/test, or apt-get install caddy")
    machine.run(
        f"caddy validate --adapter caddyfile --config {machine.root}/etc/caddy/Caddyfile 2>&1"
    )


def test_moving_over(machine: Machine) -> None:
    title = "Moving over from bandersnatch or shadowmire"
    look, adopt, approve = SECTIONS[title]
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
