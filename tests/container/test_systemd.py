"""docs/how-to/systemd.rst and nginx.rst, on a machine that systemd booted."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container import attempt
from tests.container.booted import Booted, wait_for
from tests.container.engine import Engine
from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream, Fault

USER, TIMER, SERVICE = page_blocks("how-to/systemd", "sh")
NGINX, _ = page_blocks("how-to/nginx", "sh")
READY = [USER, *TIMER.splitlines()[:-1]]  # all but the last line, which starts the timer
PASS, RUN = "yanksync.service", "yanksync-run.service"
MINUTELY = '[schedule]\nevery = "1m"\n'
SECONDLY = '[schedule]\nevery = "1s"\n'
CONTACT = """100 % "x" \\ $HOME %h ~me"""
PLACED = f"""
export YANKSYNC_UPSTREAM_CONTACT='{CONTACT}' YANKSYNC_MIRROR_OUTPUT=/srv/mirror
export YANKSYNC_MIRROR_STATE=/var/lib/yanksync/yanksync.db
yanksync show sysusers | systemd-sysusers -
yanksync show tmpfiles > /etc/tmpfiles.d/yanksync.conf
yanksync show tmpfiles | systemd-tmpfiles --create -
yanksync show {PASS} > /etc/systemd/system/{PASS}
systemctl daemon-reload
systemctl start {PASS}
"""


@pytest.fixture(scope="session")
def installed(engine: Engine, checkout: Path) -> None:
    """The image of a machine on which yanksync is installed."""
    engine.install(checkout)


@pytest.fixture
def machine(engine: Engine, installed: None, upstream: FakeUpstream) -> Iterator[Booted]:
    """A machine that is up."""
    machine = Booted(engine, upstream)
    try:
        yield machine
    finally:
        machine.close()


def prepared(machine: Booted, schedule: str = "") -> Booted:
    """Follow the page's lines for the timer, all but the one that starts it."""
    machine.configure(schedule)
    machine.sh("\n".join(READY))
    return machine


def running(machine: Booted, schedule: str = SECONDLY) -> Booted:
    """Follow the page's lines for the service, until the first pass is done."""
    machine.configure(schedule)
    machine.sh(USER)
    machine.sh(SERVICE)
    wait_for(lambda: machine.page())
    return machine


def test_the_timer_makes_passes(machine: Booted, upstream: FakeUpstream) -> None:
    prepared(machine, MINUTELY)
    machine.sh(TIMER.splitlines()[-1])
    assert machine.page() == ""
    wait_for(lambda: machine.page("demo-tools"))
    assert (
        machine.sh("stat -c %U /srv/mirror/simple /var/lib/yanksync/yanksync.db").split()
        == ["yanksync"] * 2
    )
    upstream.yank("demo", "2.0", "broken")
    wait_for(lambda: 'data-yanked="broken"' in machine.page())
    assert "yanksync:" not in machine.journal(PASS)  # all is well, so nothing is told
    machine.reboot()
    upstream.yank("demo", "1.0", "as well")
    wait_for(lambda: 'data-yanked="as well"' in machine.page())


def test_systemd_makes_the_places_and_a_unit_has_the_settings_of_the_environment(
    machine: Booted, upstream: FakeUpstream
) -> None:
    machine.sh(f"export YANKSYNC_UPSTREAM_SIMPLE_URL={machine.served.simple_url}\n{PLACED}")
    assert machine.page("demo") and machine.page("unrelated")
    agents = {request.headers["user-agent"] for request in upstream.requests}
    assert any(agent.endswith(f" ({CONTACT})") for agent in agents)
    owners = machine.sh("stat -c %U /srv/mirror /var/lib/yanksync /var/lib/yanksync/yanksync.db")
    assert owners.split() == ["yanksync"] * 3
    assert machine.sh("systemd-analyze verify /etc/systemd/system/yanksync.service") == ""


def test_some_ends_are_successes_and_some_are_not(machine: Booted, upstream: FakeUpstream) -> None:
    prepared(machine)
    note = "/var/lib/yanksync/ended"  # systemd forgets how a unit that did not fail has ended
    machine.amend(PASS, f"ExecStopPost=/bin/sh -c 'echo $$EXIT_STATUS >{note}'\n")

    def ended(code: int) -> tuple[int, str]:
        machine.sh(f"systemctl start {PASS}", code)
        state = machine.sh(f"systemctl is-failed {PASS} || true").strip()
        return int(machine.sh(f"cat {note}")), state

    assert ended(0) == (0, "inactive")
    upstream.yank("demo", "2.0")
    upstream.fail("^/simple/demo/", Fault.status(503), times=None)
    assert ended(0) == (3, "inactive")
    upstream.heal()
    machine.sh(
        "flock --no-fork /var/lib/yanksync/yanksync.db.lock sleep 600 >/dev/null 2>&1 &"
        " echo $! >/run/lock-holder; sleep 1"
    )
    assert ended(0) == (75, "inactive")
    machine.sh("kill $(cat /run/lock-holder)")
    wait_for(lambda: "1 project pending; the next run tries again" in machine.journal(PASS))
    wait_for(lambda: "another run holds the lock" in machine.journal(PASS))
    upstream.fail("^/", Fault.maintenance(), times=None)
    assert ended(1) == (1, "failed")
    wait_for(lambda: "yanksync: error: the journal: " in machine.journal(PASS))
    machine.sh("echo nonsense >> /etc/yanksync.toml")
    assert ended(1) == (2, "failed")
    wait_for(lambda: "/etc/yanksync.toml: is not TOML" in machine.journal(PASS))
    upstream.heal()
    machine.configure()
    machine.sh(f"systemctl start {PASS}")
    assert machine.show(PASS, "Result") == "success"


@pytest.mark.parametrize("unit", [PASS, RUN])
def test_a_unit_is_fenced_in(machine: Booted, unit: str) -> None:
    prepared(machine)
    machine.sh(
        f"YANKSYNC_CONFIG=/etc/yanksync.toml yanksync show {unit} > /etc/systemd/system/{unit}"
    )
    machine.sh("install -d -m 777 /srv/open /home/open")
    machine.copy(Path(attempt.__file__), "/opt/attempt.py")
    command = "/opt/yanksync/bin/python /opt/attempt.py"
    machine.amend(unit, f"Type=oneshot\nExecStart=\nExecStart={command}\nRestart=no\n")
    machine.sh(f"runuser -u yanksync {command}")
    free = json.loads(machine.sh(f"cat {attempt.RESULT}"))
    machine.sh(f"rm -f /tmp/file; systemctl start {unit}")
    fenced = json.loads(machine.sh(f"cat {attempt.RESULT}"))
    told = {what: (free[what], fenced[what]) for what in free}
    before, after = told.pop("others")
    assert "1" in before and after == []
    assert told.pop("new code") in (("done", "EPERM"), ("done", "EACCES"))  # as systemd is newer
    assert told == {
        "output": ("done", "done"),
        "state": ("done", "done"),
        "temporary": ("done", "done"),
        "anybody's": ("done", "EROFS"),
        "anybody's at home": ("done", "EROFS"),
        "settings": ("EACCES", "EROFS"),
        "program": ("EACCES", "EROFS"),
        "setuid": ("done", "EPERM"),
        "owner": ("done", "EPERM"),
        "packets": ("EPERM", "EAFNOSUPPORT"),
        "netlink": ("done", "EAFNOSUPPORT"),
        "namespace": ("done", "Operation not permitted"),
    }
    machine.sh("test ! -e /tmp/file")
    level = machine.sh(f"systemd-analyze security --no-pager {unit}").splitlines()[-1]
    assert (found := re.search(r"level for \S+: ([0-9.]+) OK", level)), level
    assert float(found[1]) < 2  # docs/how-to/systemd.rst: 1.4


def test_the_service_is_ready_and_without_rights(machine: Booted, upstream: FakeUpstream) -> None:
    upstream.fail("^/simple/demo/", Fault.hang(600), times=None)
    prepared(machine, SECONDLY)
    machine.sh("systemctl start yanksync.timer")
    machine.sh(SERVICE)  # which waits until it has told of its readiness
    assert machine.show(RUN, "ActiveState") == "active"
    assert "started: a pass at once" in machine.journal(RUN)
    assert machine.show("yanksync.timer", "ActiveState") == "inactive"
    pid = machine.show(RUN, "MainPID")
    facts = dict(
        line.split(":\t", 1) for line in machine.sh(f"cat /proc/{pid}/status").splitlines()
    )
    assert "0" not in facts["Uid"].split()
    assert {int(facts[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")


def test_a_wrong_configuration_is_not_tried_again(machine: Booted) -> None:
    machine.configure(SECONDLY)
    machine.sh(USER)
    machine.sh(SERVICE.replace(" --now", ""))
    machine.amend(RUN, "RestartSec=0\n")
    machine.sh("echo nonsense >> /etc/yanksync.toml")
    machine.sh(f"systemctl start {RUN}", 1)
    assert machine.show(RUN, "ExecMainStatus") == "2"
    assert machine.show(RUN, "NRestarts") == "0"
    assert machine.sh(f"systemctl is-failed {RUN}") == "failed\n"


def test_the_watchdog_starts_anew_what_stands_still(
    machine: Booted, upstream: FakeUpstream
) -> None:
    running(machine)
    machine.amend(RUN, "WatchdogSec=8\nRestartSec=1\n")
    machine.sh(f"systemctl restart {RUN}")
    machine.sh("sleep 20")
    assert machine.show(RUN, "NRestarts") == "0"  # it is fed
    before = machine.show(RUN, "MainPID")
    machine.sh(f"kill -STOP {before}")
    wait_for(lambda: machine.show(RUN, "NRestarts") == "1")
    assert "Watchdog timeout" in machine.journal(RUN)
    upstream.yank("demo", "2.0", "broken")
    wait_for(lambda: 'data-yanked="broken"' in machine.page())
    machine.sh(f"kill -KILL {machine.show(RUN, 'MainPID')}")
    wait_for(lambda: machine.show(RUN, "NRestarts") == "2")
    wait_for(lambda: machine.show(RUN, "ActiveState") == "active")


def test_a_reload_reads_the_configuration_again(machine: Booted, upstream: FakeUpstream) -> None:
    running(machine)
    pid = machine.show(RUN, "MainPID")
    upstream.yank("demo", "2.0", "broken")
    wait_for(lambda: "broken" in machine.page())
    machine.sh("echo nonsense >> /etc/yanksync.toml")
    machine.sh("systemctl reload yanksync-run")
    wait_for(lambda: "the configuration was not taken over" in machine.journal(RUN))
    machine.configure('yanked = "omit"\n' + SECONDLY)
    machine.sh("systemctl reload yanksync-run")
    wait_for(lambda: "configuration read again" in machine.journal(RUN))
    upstream.upload("demo", "3.0")
    wait_for(lambda: "demo-3.0" in machine.page())
    assert "demo-2.0" not in machine.page()
    assert (machine.show(RUN, "MainPID"), machine.show(RUN, "ActiveState")) == (pid, "active")


def test_a_stop_in_the_middle_ends_well(machine: Booted, upstream: FakeUpstream) -> None:
    names = [f"demo-{number}" for number in range(200)]
    for name in names:
        upstream.upload(name, "1.0")
    upstream.fail("^/simple/demo-", Fault.delay(1), times=None)
    machine.configure(SECONDLY)
    machine.sh(USER)
    machine.sh(SERVICE)
    wait_for(lambda: upstream.page_requests("demo-0"))
    machine.sh(f"systemctl stop {RUN}")
    assert (machine.show(RUN, "Result"), machine.show(RUN, "ExecMainStatus")) == ("success", "0")
    assert machine.sh("find /srv/mirror /var/lib/yanksync -name '.*.tmp'") == ""
    asked = Counter(request.project for request in upstream.page_requests())
    assert 0 < len(asked) < 202
    upstream.heal()
    machine.sh(f"systemctl start {RUN}")
    wait_for(lambda: all(name in machine.sh("ls /srv/mirror/simple").split() for name in names))
    times = Counter(request.project for request in upstream.page_requests())
    assert set(times.values()) == {1}


def test_a_pass_that_is_stopped_goes_on_later(machine: Booted, upstream: FakeUpstream) -> None:
    upstream.fail("^/simple/demo/", Fault.hang(600), times=None)
    prepared(machine)
    machine.sh(f"systemctl start --no-block {PASS}")
    wait_for(lambda: upstream.page_requests("demo"))
    machine.sh(f"systemctl stop {PASS}")
    upstream.heal()
    machine.sh(f"systemctl start {PASS}")
    assert machine.page() and machine.page("demo-tools")


def test_nginx_serves_it(machine: Booted) -> None:
    prepared(machine)
    machine.sh(f"systemctl start {PASS}")
    machine.sh(f"export YANKSYNC_CONFIG=/etc/yanksync.toml\n{NGINX}")
    ask = (
        "import urllib.request as u; print(u.urlopen(u.Request('http://localhost/simple/demo/',"
        " headers={'Accept': 'application/vnd.pypi.simple.v1+json'})).headers['Content-Type'])"
    )
    wait_for(lambda: "simple.v1+json" in machine.sh(f'python3 -c "{ask}" 2>&1 || true'))
