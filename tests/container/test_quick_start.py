"""README's quick start, line by line on a fresh Debian: as root, and as a user who may use sudo.

It ends with a mirror that a real cron updates and a real nginx serves. The lines that install are
run while the image is made, because the container has no network but its own loopback. There the
test's upstream takes the place of the index that pip installs from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.booted import serve_within, wait_for
from tests.container.engine import DEBIAN, Engine
from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream
from tests.support.fake_index.package_files import wheel

NAME, IMAGE = "quick", "localhost/quick:latest"
_, QUICK, CLIENT = page_blocks("../README", "sh")
LINES = QUICK.splitlines()
END = 1 + next(number for number, line in enumerate(LINES) if "pip install" in line)
NAMED = next(line for line in LINES if line.startswith("yanksync init"))
(PROJECTS,) = re.findall(r"--projects '?([\w,-]+)", NAMED)
CONTACT = """100 % "x" \\ $HOME ~me"""
_IMAGE = """
FROM {debian}
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends sudo >/dev/null && \
    useradd --create-home joe && echo 'joe ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/joe && \
    cp -r /checkout /home/joe/yanksync && chown -R joe /home/joe
WORKDIR /home/joe/yanksync
RUN set -ex; {lines}
"""


@pytest.fixture(scope="module")
def image(engine: Engine, checkout: Path) -> None:
    """A machine after the lines that install were run."""
    text = _IMAGE.format(debian=DEBIAN, lines="; ".join(LINES[:END]))
    engine.build(text, IMAGE, "--volume", f"{checkout}:/checkout:ro")


@pytest.fixture
def fresh(engine: Engine, image: None, upstream: FakeUpstream) -> Iterator[None]:
    """The machine; its pip installs from the test's upstream."""
    for name in PROJECTS.split(","):
        for version in ("1.0", "2.0"):
            upstream.upload(name, version, content=wheel(name, version))
    engine.podman(*("run", "--detach", "--name", NAME), "--network", "none", IMAGE, "sleep", "3600")
    served = serve_within(engine.inspect(NAME)["State"]["Pid"], upstream, 0)
    inside(engine, f"printf '[global]\\nindex-url = {served.simple_url}\\n' > /etc/pip.conf")
    yield
    served.close()
    engine.remove(NAME)


def inside(engine: Engine, lines: str, user: str = "root", code: int = 0) -> str:
    """Run lines in a shell of a user; ``joe`` becomes root in it. Return what they print."""
    shell = ["sh", "-ex"] if user == "root" else ["sudo", "-s", "--", "sh", "-ex"]
    file = engine.home / "lines"
    file.write_text(lines)
    engine.podman("cp", str(file), f"{NAME}:/lines")
    told = f"{' '.join(shell)} < /lines"
    return engine.podman("exec", "--user", user, NAME, "sh", "-c", told, code=code)


@pytest.mark.parametrize("user", ["root", "joe"])
def test_it_ends_with_a_mirror_that_cron_updates_and_nginx_serves(
    engine: Engine, fresh: None, upstream: FakeUpstream, user: str
) -> None:
    first, *others = PROJECTS.split(",")
    # The next pass comes in a minute, and asks the journal at once.
    soon = "export YANKSYNC_SCHEDULE_EVERY=1m YANKSYNC_UPSTREAM_JOURNAL_INTERVAL=0 "
    soon += f"YANKSYNC_UPSTREAM_CONTACT='{CONTACT}'"
    said = inside(engine, "\n".join([soon, *LINES[END:]]), user)
    assert "failure" not in said
    *_, after = said.partition("doctor --url")
    assert {line.split()[0] for line in after.splitlines()[1:]} == {"ok"}
    page = "python3 -c \"import urllib.request as u; print(u.urlopen('http://localhost/simple/{}/')"
    page = page.format(first) + '.read().decode())"'
    assert "data-yanked" not in inside(engine, page)
    upstream.clear_log()
    upstream.yank(first, "2.0", "broken by cron")
    wait_for(lambda: 'data-yanked="broken by cron"' in inside(engine, page))
    agents = {request.headers["user-agent"] for request in upstream.requests}
    assert any(agent.endswith(f" ({CONTACT})") for agent in agents)  # as cron carried it
    for name in others:
        assert "yanksync" in inside(engine, f"stat -c %U /srv/mirror/simple/{name}").split()
    (name,) = CLIENT.split()[-1:]
    upstream.yank(name, "2.0")
    wait_for(lambda: f"{name}-1.0" in inside(engine, f"{CLIENT} --dest /tmp"))
    refused = inside(engine, "yanksync --config /etc/yanksync.toml sync", code=2)
    assert "run as yanksync: sudo -u yanksync yanksync --config /etc/yanksync.toml sync" in refused
