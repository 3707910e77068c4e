"""``show``: what a mirror is run and served with, filled in, as those who read it understand it."""

from __future__ import annotations

import os
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
        (units / name).write_text(yanksync("show", name).out)
    analyze("verify", *(units / name for name in UNITS))
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
        "YANKSYNC_FILES_WITHHELD": "/var/lib/withheld",
    }
    for name in UNITS[0], UNITS[2]:
        unit = tmp_path / name
        unit.write_text(yanksync("show", name, **metrics).out)
        places = ("textfile", "manifests", "withheld")
        writes = "".join(f"ReadWritePaths=/var/lib/{place}\n" for place in places)
        assert f"\n{writes}" in unit.read_text()
        analyze("verify", unit)
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
        (("show", "crontab", "--listen", "80"), "--listen means nothing for crontab; it is for "),
        (("show", "caddy", "--server-name", "a.example"), "it is for nginx"),
        (("show", "nginx", "--user", "mirror"), "it is for crontab, sysusers, tmpfiles, systemd"),
        (("show", "yanksync.timer", "--user", "mirror"), "means nothing for yanksync.timer"),
        (("show", "nginx", "--listen", "a.example"), "with --server-name a.example"),
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


@pytest.mark.parametrize("what", ["crontab", "nginx", "systemd", "sysusers"])
def test_without_any_configuration(tmp_path: Path, what: str) -> None:
    done = Cli(tmp_path, None)("show", what)
    assert (done.code, done.out) == (2, "")
    assert "Run 'yanksync init'" in done.err


SECRETS = {
    "YANKSYNC_HOOKS_WEBHOOK": "https://hooks.example/t0ken",
    "YANKSYNC_STORAGE_SECRET_ACCESS_KEY": "t0ken",
    "YANKSYNC_UPSTREAM_JOURNAL_URL": "https://me:t0ken@upstream.example/pypi",
    "PIP_INDEX_URL": "https://me:t0ken@upstream.example/simple/",
}
ODD = {
    "YANKSYNC_HOOKS_COMMAND": '/bin/echo,100 % "x" $HOME',
    "YANKSYNC_MIRROR_PROJECTS": "demo,a*",
    "YANKSYNC_UPSTREAM_CONTACT": " a\\b ",
}


@pytest.mark.parametrize("what", ["crontab", "yanksync.service", "systemd"])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_not_printed(tmp_path: Path, what: str, name: str) -> None:
    yanksync = Cli(tmp_path, None)
    done = yanksync("show", what, YANKSYNC_MIRROR_PROJECTS="demo", **{name: SECRETS[name]})
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"${name}: " in done.err and "may be a secret" in done.err
    assert "configuration file" in done.err and "EnvironmentFile=" in done.err
    assert "t0ken" not in done.err


def test_a_crontab_has_the_settings_of_the_environment(yanksync: Cli) -> None:
    text = yanksync("show", "crontab", YANKSYNC_MIRROR_OUTPUT="pages", **ODD).out
    *_, command, output, projects, contact, line = text.splitlines()
    assert command == f"YANKSYNC_HOOKS_COMMAND={ODD['YANKSYNC_HOOKS_COMMAND']}"
    assert output == f"YANKSYNC_MIRROR_OUTPUT={yanksync.home}/pages"
    assert projects == "YANKSYNC_MIRROR_PROJECTS=demo,a*"
    assert contact == 'YANKSYNC_UPSTREAM_CONTACT=" a\\b "'
    assert line.endswith(" sync --cron")


@systemd
def test_a_unit_has_the_settings_of_the_environment(yanksync: Cli, tmp_path: Path) -> None:
    unit = tmp_path / UNITS[0]
    unit.write_text(yanksync("show", UNITS[0], YANKSYNC_MIRROR_OUTPUT="pages", **ODD).out)
    analyze("verify", unit)
    text = unit.read_text()
    assert f'Environment="YANKSYNC_MIRROR_OUTPUT={yanksync.home}/pages"\n' in text
    assert f"ReadWritePaths={yanksync.home}/pages {yanksync.home}\n" in text
    assert 'COMMAND=/bin/echo,100 %% \\"x\\" $HOME"\n' in text
    assert 'Environment="YANKSYNC_UPSTREAM_CONTACT= a\\\\b "\n' in text


def test_settings_of_the_environment_alone(tmp_path: Path) -> None:
    """A service starts in another directory, so the default places are named."""
    yanksync = Cli(tmp_path, None)
    index = "https://upstream.example/simple/"
    yanksync.environ |= {"PIP_INDEX_URL": index, "YANKSYNC_MIRROR_STATE": "yanksync.db"}
    *_, pip, output, state, line = yanksync("show", "crontab").out.splitlines()
    assert pip == f"PIP_INDEX_URL={index}"
    assert output == f"YANKSYNC_MIRROR_OUTPUT={tmp_path}/mirror"
    assert state == f"YANKSYNC_MIRROR_STATE={tmp_path}/yanksync.db"
    assert line.split("  ")[-1] == f"{Path(sys.executable).with_name('yanksync')} sync --cron"


@pytest.mark.parametrize("contact", ["a\tb", " '\" ", "x" * 1000])
def test_what_cron_cannot_be_told_is_refused(yanksync: Cli, contact: str) -> None:
    yanksync.environ["YANKSYNC_UPSTREAM_CONTACT"] = contact
    done = yanksync("show", "crontab")
    assert (done.code, done.out) == (2, "")
    assert "$YANKSYNC_UPSTREAM_CONTACT" in done.err


def test_the_user_and_the_directories(yanksync: Cli, tmp_path: Path) -> None:
    """As systemd makes them, in a root of its own."""
    if os.geteuid() != 0 or shutil.which("systemd-sysusers") is None:
        pytest.skip("needs root and systemd")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    yanksync.environ |= {
        "YANKSYNC_MIRROR_OUTPUT": "/srv/mirror",
        "YANKSYNC_MIRROR_STATE": "/var/lib/mirror/yanksync.db",
        "YANKSYNC_HOOKS_MANIFEST": "/var/lib/mirror/manifests",
        "YANKSYNC_FILES_WITHHELD": "/var/lib/mirror/withheld",
    }
    for what, program in (("sysusers", "systemd-sysusers"), ("tmpfiles", "systemd-tmpfiles")):
        file = tmp_path / f"{what}.conf"
        file.write_text(yanksync("show", what, "--user", "keeper").out)
        create = ("--create",) if what == "tmpfiles" else ()
        subprocess.run([program, f"--root={root}", *create, file], check=True, capture_output=True)
    name, _, uid, gid, _, home, shell = (root / "etc/passwd").read_text().strip().split(":")
    assert (name, home) == ("keeper", "/var/lib/mirror") and shell.endswith("nologin")
    places = dict.fromkeys(("srv/mirror", "var/lib/mirror", "var/lib/mirror/manifests"), 0o755)
    for place, mode in {**places, "var/lib/mirror/withheld": 0o700}.items():
        found = (root / place).stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (int(uid), int(gid), mode)
    assert (root / "var/lib").stat().st_uid == 0


def test_no_directory_of_the_system_is_given_away(yanksync: Cli) -> None:
    done = yanksync("show", "tmpfiles", YANKSYNC_MIRROR_STATE="/var/lib/yanksync.db")
    assert (done.code, done.out) == (2, "")
    assert "mirror.state: /var/lib cannot be given to yanksync" in done.err


def test_the_addresses_of_nginx(yanksync: Cli) -> None:
    def lines(*arguments: str) -> list[str]:
        text = yanksync("show", "nginx", *arguments).out
        found = (line.strip() for line in text.splitlines())
        return [line for line in found if line.startswith(("listen", "server_name"))]

    assert lines() == ["listen 80;", "listen [::]:80;", "server_name _;"]
    assert lines("--listen", "8080", "--server-name", "mirror.example") == [
        *("listen 8080;", "listen [::]:8080;", "server_name mirror.example;")
    ]
    assert lines("--listen", "[::1]:8080") == ["listen [::1]:8080;", "server_name _;"]
    assert "/etc/nginx/sites-enabled/default" in yanksync("show", "nginx").out
