"""``show``: what a mirror is run and served with, filled in, as those who read it understand it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli
from yanksync.config.crontab import parse
from yanksync.service.deployment_files import UNITS, systemd_calendar

ANALYZE = shutil.which("systemd-analyze")
systemd = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze")


def analyze(*arguments: str | Path) -> str:
    assert ANALYZE is not None
    done = subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@systemd
def test_the_units_are_understood(yanksync: Cli, tmp_path: Path) -> None:
    units = tmp_path / "units"
    units.mkdir()
    for name in UNITS:
        (units / name).write_text(yanksync("show", name, "--user", "root").out)
    analyze("verify", "--man=no", *(units / name for name in UNITS))
    text = (units / "yanksync.service").read_text()
    assert f"--config {yanksync.config} sync\n" in text
    assert f"ReadWritePaths={yanksync.output} {yanksync.home}\n" in text
    assert "SuccessExitStatus=3 75\n" in text
    assert "Type=notify\n" in (units / "yanksync-run.service").read_text()


@systemd
def test_a_unit_lets_it_write_what_is_configured(yanksync: Cli, tmp_path: Path) -> None:
    metrics = {
        "YANKSYNC_HEALTH_METRICS": "/var/lib/textfile/yanksync.prom",
        "YANKSYNC_HOOKS_MANIFEST": "/var/lib/manifests",
    }
    for name in UNITS[0], UNITS[2]:
        unit = tmp_path / name
        unit.write_text(yanksync("show", name, "--user", "root", **metrics).out)
        writes = "\nReadWritePaths=/var/lib/textfile\nReadWritePaths=/var/lib/manifests\n"
        assert writes in unit.read_text()
        analyze("verify", "--man=no", unit)
    done = yanksync("show", "systemd", YANKSYNC_HEALTH_METRICS="/var/a b/yanksync.prom")
    assert (done.code, done.out) == (2, "")
    assert "health.metrics: '/var/a b' cannot be written into a unit" in done.err


def test_systemd_is_all_three(yanksync: Cli) -> None:
    text = yanksync("show", "systemd").out
    for name in UNITS:
        assert f"# ---- /etc/systemd/system/{name}\n{yanksync('show', name).out}" in text


@pytest.mark.parametrize(
    ("schedule", "cron"),
    [
        ('every = "5m"', "*/5 * * * *"),
        ('every = "10s"', "* * * * *"),
        ('every = "7m"', "*/6 * * * *"),
        ('every = "1h"', "0 * * * *"),
        ('every = "5h"', "0 */4 * * *"),
        ('every = "30d"', "0 0 * * *"),
        ('cron = "1 2 3 4 5"', "1 2 3 4 5"),
    ],
)
def test_a_crontab(yanksync: Cli, schedule: str, cron: str) -> None:
    yanksync.configure(schedule=schedule)
    line = yanksync("show", "crontab", "--user", "mirror").out.splitlines()[-1]
    assert line.startswith(f"{cron}  mirror  ")
    command = line.split("  ")[-1]
    assert command.endswith(f"/yanksync --config {yanksync.config} sync --cron")
    subprocess.run([*command.split()[:1], "--version"], check=True, capture_output=True)


@systemd
@pytest.mark.parametrize(
    ("cron", "written"),
    [
        ("*/5 * * * *", ["*-*-* *:00/5:00"]),
        ("30 4 * * 0", ["Sun *-*-* 04:30:00"]),
        ("0,7 8-10 1 1,2 *", ["*-01,02-01 08,09,10:00,07:00"]),
        ("0 0 1 * 1-5", ["*-*-01 00:00:00", "Mon,Tue,Wed,Thu,Fri *-*-* 00:00:00"]),
    ],
)
def test_a_timer(cron: str, written: list[str]) -> None:
    assert systemd_calendar(parse(cron)) == written
    analyze("calendar", *written)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("show", "apache"), "'apache' is not one of"),
        (("show", "nginx", "--listen", "80; root /"), "is no port, address:port or host name"),
        (("show", "nginx", "--listen", "127.0.0.1:65536"), "65536 is not from 1 to 65535"),
        (("show", "crontab", "--user", "a b"), "'a b' is no name of a user"),
    ],
)
def test_wrong_usage(yanksync: Cli, arguments: tuple[str, ...], problem: str) -> None:
    done = yanksync(*arguments)
    assert (done.code, done.out) == (2, "")
    assert problem in done.err


@pytest.mark.parametrize("output", ['/srv/a"b', "/srv/a b", "/srv/a%b", "/srv/$a", "/srv/a;b"])
def test_what_would_need_quotes_is_refused(yanksync: Cli, output: str) -> None:
    done = yanksync("show", "nginx", YANKSYNC_MIRROR_OUTPUT=output)
    assert (done.code, done.out) == (2, "")
    assert "mirror.output" in done.err
    assert "cannot be written into nginx.conf" in done.err


def test_without_a_configuration_file(tmp_path: Path) -> None:
    yanksync = Cli(tmp_path, None)
    line = yanksync("show", "crontab").out.splitlines()[-1]
    assert line.split("  ")[-1] == f"{Path(sys.executable).with_name('yanksync')} sync --cron"
