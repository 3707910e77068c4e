"""The lines of docs/how-to/container.rst as they are, and whether what they say is true."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.container.engine import PYTHON, Engine
from tests.support.cli_runner import wait_for
from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.machine import Machine

BUILD, RUN, WITH_FILE, LOOK = page_blocks("how-to/container", "sh")
LOGS, STATUS, HANGUP = LOOK.splitlines()
(FIRST,) = page_blocks("tutorials/from-bandersnatch", "toml")
NOBODY = 10001
MEGABYTE = 1e6


@pytest.fixture(scope="session")
def image(engine: Engine, checkout: Path) -> str:
    """The image, built as docs/how-to/container.rst says."""
    engine.sh(BUILD, where=checkout)
    return "yanksync"


class Mirror:
    """The container ``mirror`` of the page's lines, and the upstream that it follows."""

    def __init__(self, engine: Engine, machine: Machine, served: Served) -> None:
        self.engine = engine
        self.machine = machine
        self.served = served

    def sh(self, lines: str, code: int = 0) -> str:
        """Run lines of the page, with an upstream that exists and a root below the test's."""
        text = self.machine.rooted(lines)
        text = text.replace("https://upstream.example/simple/", self.served.simple_url)
        return self.engine.sh(text, code)

    def inside(self, *command: str, code: int = 0) -> str:
        """Run a command in the container."""
        return self.engine.podman("exec", "mirror", *command, code=code)

    @property
    def data(self) -> Path:
        """Where this machine has the volume."""
        return Path(self.engine.inspect("mirror", "volume")["Mountpoint"])

    def page(self, name: str = "demo") -> str:
        """Return a page of the volume, or nothing."""
        path = self.data / f"mirror/simple/{name}/index.html"
        return path.read_text() if path.exists() else ""

    @property
    def logs(self) -> str:
        return self.sh(LOGS)

    @property
    def status(self) -> Any:
        return json.loads(self.inside("yanksync", "status", "--json"))

    @property
    def state(self) -> tuple[str, int]:
        """How the container is, and its exit code."""
        state = self.engine.inspect("mirror")["State"]
        return state["Status"], state["ExitCode"]

    def leftovers(self) -> list[Path]:
        return [path for path in self.data.rglob(".*") if path.name.endswith(".tmp")]


@pytest.fixture
def mirror(engine: Engine, image: str, upstream: FakeUpstream, tmp_path: Path) -> Iterator[Mirror]:
    """Nothing is started yet; whatever is, goes."""
    with serve(upstream) as served:
        try:
            yield Mirror(engine, Machine(tmp_path), served)
        finally:
            engine.remove("mirror")


def test_the_package_goes_into_the_image_and_nothing_beside_it(
    engine: Engine, image: str, checkout: Path
) -> None:
    engine.sh(BUILD.replace("-t yanksync", "-t sources --target build"), where=checkout)
    listed = engine.sh("podman run --rm sources find /src -type f -printf '%P\\n'").split()
    outside = {path for path in listed if not path.startswith(("yanksync/", "build/", "man/"))}
    outside = {path for path in outside if ".egg-info/" not in path}  # pip's
    assert outside == {"LICENSE", "README.rst", "setup.cfg", "setup.py"}
    assert "yanksync/service/templates/nginx.conf" in listed
    size, base = (engine.inspect(name, "image")["Size"] for name in (image, PYTHON))
    assert 60 * MEGABYTE < size - base < 100 * MEGABYTE  # docs/explanation/testing.rst: 80
    assert engine.inspect(image, "image")["Config"]["StopSignal"] in ("SIGTERM", "15")


def test_a_mirror_is_built_and_follows(mirror: Mirror, upstream: FakeUpstream) -> None:
    mirror.sh(RUN)
    wait_for(lambda: mirror.page("unrelated"))
    upstream.yank("demo", "2.0", "broken")
    wait_for(lambda: 'data-yanked="broken"' in mirror.page())
    assert "last success" in mirror.sh(STATUS)
    assert mirror.inside("yanksync", "verify") == ""
    for path in (mirror.data, *mirror.data.rglob("*")):
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)


def test_it_may_do_nothing_and_write_nowhere_else(mirror: Mirror) -> None:
    mirror.sh(RUN)
    wait_for(lambda: "up to date" in mirror.logs)
    facts = dict(
        line.split(":\t", 1) for line in mirror.inside("cat", "/proc/1/status").splitlines()
    )
    assert set(facts["Uid"].split()) == set(facts["Gid"].split()) == {str(NOBODY)}
    assert {int(facts[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert facts["NoNewPrivs"] == "1"
    for place in ("/", "/etc", "/opt/yanksync/bin", "/usr/local", "/var/lib", "/home"):
        assert "Read-only" in mirror.inside("touch", f"{place}/x", code=1), place
    mirror.inside("touch", "/data/x")


def test_stopped_in_the_middle_it_ends_well_and_goes_on(
    mirror: Mirror, upstream: FakeUpstream
) -> None:
    for number in range(200):
        upstream.upload(f"many-{number}", "1.0")
    upstream.fail("^/simple/many-", Fault.delay(1), times=None)
    mirror.sh(RUN)
    wait_for(lambda: upstream.page_requests("many-0"))
    mirror.sh("podman stop mirror")
    assert mirror.state == ("exited", 0)
    assert mirror.logs.endswith("info: stopped\n")
    assert mirror.leftovers() == []
    asked = {request.project for request in upstream.page_requests()}
    assert 0 < len(asked) < 203
    assert {name for name in asked if name and not mirror.page(name)} == set()
    upstream.heal()
    mirror.sh("podman start mirror")
    wait_for(lambda: mirror.status["last_success"])
    assert mirror.status["projects"] == 203
    times = Counter(request.project for request in upstream.page_requests())
    assert set(times.values()) == {1}  # nobody was asked twice


def test_killed_in_the_middle_it_goes_on(mirror: Mirror, upstream: FakeUpstream) -> None:
    for number in range(50):
        upstream.upload(f"many-{number}", "1.0")
    upstream.fail("^/simple/many-", Fault.delay(0.5), times=None)
    mirror.sh(RUN)
    wait_for(lambda: mirror.data.joinpath("mirror/simple").exists())
    mirror.sh("podman kill mirror")
    wait_for(lambda: mirror.state == ("exited", 137))
    upstream.heal()
    mirror.sh("podman start mirror")
    wait_for(lambda: mirror.status["last_success"])
    assert (mirror.status["projects"], mirror.leftovers()) == (53, [])
    assert mirror.inside("yanksync", "verify") == ""


def test_a_second_container_waits_for_its_turn(mirror: Mirror, upstream: FakeUpstream) -> None:
    upstream.fail("^/simple/demo/", Fault.hang(600), times=None)
    mirror.sh(RUN)
    wait_for(lambda: upstream.page_requests("demo"))
    assert "started" in mirror.logs  # at once: nothing waits in a buffer
    assert mirror.status["last_success"] is None  # and others can look meanwhile
    once = RUN.replace("-d --name mirror", "--rm") + " -v sync"
    mirror.sh(once, 75)


def test_a_file_a_directory_a_check_and_a_signal(mirror: Mirror, upstream: FakeUpstream) -> None:
    mirror.machine.configure(FIRST, mirror.served)
    upstream.fail("^/", Fault.maintenance(), times=None)
    owned, run = WITH_FILE.split("\n", 1)
    mirror.machine.output.mkdir()
    mirror.sh(run)
    root = "/data belongs to root, and this runs as 10001"
    wait_for(lambda: root in mirror.logs)
    assert mirror.logs.count("\n") == 3, mirror.logs  # started, the failure, when next
    mirror.engine.remove("mirror")

    mirror.sh(owned)
    mirror.sh(run)
    wait_for(lambda: "failed in a row" in mirror.logs)
    mirror.engine.podman("healthcheck", "run", "mirror", code=1)
    upstream.heal()
    simple = mirror.machine.output / "mirror/simple"
    wait_for(lambda: (simple / "demo/index.html").exists())
    wait_for(lambda: mirror.status["last_success"])
    mirror.engine.podman("healthcheck", "run", "mirror")
    assert {path.name for path in simple.iterdir() if path.is_dir()} == {"demo", "demo-tools"}

    config = mirror.machine.root / "etc/yanksync.toml"
    with config.open("a") as file:  # the same file, as it was mounted
        file.write('\nyanked = "omit"\n')
    mirror.sh(HANGUP)
    wait_for(lambda: "configuration read again" in mirror.logs)
    upstream.yank("demo", "2.0")
    wait_for(lambda: "demo-2.0" not in (simple / "demo/index.html").read_text())


def test_a_log_in_json(mirror: Mirror) -> None:
    mirror.sh(f"{RUN} --log-format json run")
    wait_for(lambda: "up to date" in mirror.logs)
    assert {json.loads(line)["level"] for line in mirror.logs.splitlines()} == {"info"}


def test_a_web_server_elsewhere_reads_the_volume(mirror: Mirror, engine: Engine) -> None:
    mirror.sh(RUN)
    wait_for(lambda: mirror.page())
    read = "podman run --rm --user 33 -v mirror:/data:ro --entrypoint cat yanksync"
    assert engine.sh(f"{read} /data/mirror/simple/demo/index.html") == mirror.page()
