"""Renders the files that run and serve a mirror.

They are for cron, systemd, nginx and Caddy. The templates are in ``yanksync/service/templates/``.
``scripts/docs`` makes ``cron/`` in the sources from them, for :data:`EXAMPLE`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path

from cronsim import CronSim
from msgspec import Struct

from yanksync.config.crontab import parse
from yanksync.config.load import ExaminedConfig
from yanksync.config.settings import ScheduleSettings, Settings
from yanksync.core.errors import ConfigError
from yanksync.core.withdrawals.web.shell import HEADER_POLICY
from yanksync.service.carried_settings import carried_settings, crontab_lines, unit_lines

FILES = (
    "nginx.conf",
    "Caddyfile",
    "crontab",
    "sysusers.conf",
    "tmpfiles.conf",
    "yanksync.service",
    "yanksync.timer",
    "yanksync-run.service",
)
UNITS = FILES[5:]
_SITES = FILES[:2]
_NAME = re.compile(r"@([A-Z]+)@")
# Characters that need no quotes in any of the formats. "%" needs quoting in a crontab and in a
# unit.
_PLAIN = re.compile(r"[\w./:,=+~@\[\]-]+")
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MINUTE, _HOUR = 60, 60 * 60
_WITHHELD = "files.withheld"
# Directories of the system, which must not become directories of a mirror.
_SHARED = (
    *("/", "/etc", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/usr"),
    *("/usr/local", "/var", "/var/cache", "/var/lib", "/var/local", "/var/tmp", "/var/www"),
)


class Installation(Struct, frozen=True, kw_only=True):
    """Where yanksync is installed, its user, and the address to serve."""

    program: str  # the command, with its absolute path
    config: str | None = None  # the configuration file
    user: str = "yanksync"
    listen: str = "80"  # a port, address:port, or (Caddy) a host name
    server_name: str = "_"  # for nginx
    manual: str | None = None  # the file of the manual page
    environ: Mapping[str, str] = {}  # variables that hold settings


EXAMPLE = Installation(
    program="/opt/yanksync/bin/yanksync",
    config="/etc/yanksync.toml",
    manual="/opt/yanksync/share/man/man1/yanksync.1",
)


def this_installation(
    found: ExaminedConfig, environ: Mapping[str, str], user: str, listen: str, server_name: str
) -> Installation:
    """Return this installation, with the settings of its environment.

    :raises ConfigError: when a variable may hold a secret
    """
    beside = Path(sys.executable).absolute().with_name("yanksync")
    program = str(beside) if os.path.exists(beside) else f"{sys.executable} -m yanksync"
    manual = Path(sys.prefix) / "share/man/man1/yanksync.1"
    source = found.settings.source
    return Installation(
        program=program,
        config=None if source is None else str(source),
        user=user,
        listen=listen,
        server_name=server_name,
        manual=str(manual) if os.path.exists(manual) else None,
        environ=carried_settings(found, environ),
    )


def render_file(name: str, settings: Settings, installation: Installation) -> str:
    """Return the file ``name`` of :data:`FILES`, filled in.

    :raises ConfigError: when a value cannot be written into the file
    """
    if name in _SITES and not isinstance(settings.mirror.output, Path):
        problem = f"is object storage, which {name} does not serve (docs/how-to/cdn.rst)"
        raise ConfigError("mirror.output", _source(installation), problem)
    template = files("yanksync.service").joinpath("templates", name).read_text(encoding="utf-8")

    def fill(match: re.Match[str]) -> str:
        make, check = _VALUES[match[1]]
        value = make(settings, installation)
        if check is not None and not _PLAIN.fullmatch(value):
            problem = f"{value!r} cannot be written into {name}: rename it, or write it by hand"
            raise ConfigError(check, _source(installation), problem)
        return value

    return _NAME.sub(fill, template)


def _source(installation: Installation) -> str:
    return installation.config or "the configuration"


def _home(settings: Settings) -> Path:
    """Return the directory in which the state is used."""
    state = settings.mirror.state
    return state.parent if isinstance(state, Path) else Path("/var/tmp")


def _output(settings: Settings) -> Path:
    output = settings.mirror.output
    return output if isinstance(output, Path) else _home(settings)


def _command(installation: Installation) -> str:
    """Return the command; spaces are only allowed between its words."""
    config = [] if installation.config is None else ["--config", installation.config]
    words = [*installation.program.split(" -m "), *config]
    for word in words:
        if not _PLAIN.fullmatch(word):
            problem = f"{word!r} cannot be written there: rename it, or write the file by hand"
            raise ConfigError("", _source(installation), problem)
    return " ".join([installation.program, *config])


def _listen(installation: Installation) -> str:
    """Return the lines of nginx.

    A port without an address is for IPv4 and IPv6.
    """
    listen = installation.listen
    places = (listen, f"[::]:{listen}") if listen.isdecimal() else (listen,)
    return "\n".join(f"    listen {place};" for place in places)


def _site(installation: Installation) -> str:
    """Return the address of Caddy's site."""
    site = installation.listen
    if site.isdecimal():
        return f":{site}"
    return f"http://{site}" if ":" in site else site


def _document(installation: Installation) -> str:
    """Return the line of a unit that names the manual page.

    None: the page is not installed.
    """
    manual = installation.manual
    return (
        "" if manual is None or not _PLAIN.fullmatch(manual) else f"\nDocumentation=file:{manual}"
    )


def _directories(settings: Settings, installation: Installation) -> str:
    """Return a line of tmpfiles.d for each written directory."""
    mirror, user = settings.mirror, installation.user
    places = {
        "mirror.output": mirror.output,
        "mirror.state": mirror.state.parent if isinstance(mirror.state, Path) else None,
        "hooks.manifest": settings.hooks.manifest,
        _WITHHELD: settings.files.withheld,
    }
    lines = []
    for key, place in places.items():
        if isinstance(place, Path):
            if str(place) in _SHARED or not _PLAIN.fullmatch(str(place)):
                problem = f"{place} cannot be given to {user}: take a directory below it"
                raise ConfigError(key, _source(installation), problem)
            mode = "0700" if key == _WITHHELD else "0755"
            lines.append(f"d {place} {mode} {user} {user} -")
    if not lines:
        problem = "is in object storage, as the output is: there is no directory to make"
        raise ConfigError("mirror.state", _source(installation), problem)
    return "\n".join(dict.fromkeys(lines))


def _also(settings: Settings, installation: Installation) -> str:
    """Return the unit's lines for other written paths."""
    metrics, manifest = settings.health.metrics, settings.hooks.manifest
    also = {
        "health.metrics": None if metrics is None else metrics.parent,
        "hooks.manifest": manifest,
        _WITHHELD: settings.files.withheld,
    }
    lines = ""
    for key, path in also.items():
        if not isinstance(path, Path):
            continue
        if not _PLAIN.fullmatch(str(path)):
            problem = f"'{path}' cannot be written into a unit: rename it, or write it by hand"
            raise ConfigError(key, _source(installation), problem)
        lines += f"\nReadWritePaths={path}"
    return lines


def _calendar(settings: Settings) -> str:
    calendar = systemd_calendar(parse(_crontab(settings.schedule)))
    return "\n".join(f"OnCalendar={line}" for line in calendar)


_Make = Callable[[Settings, Installation], str]
_VALUES: Mapping[str, tuple[_Make, str | None]] = {
    "OUTPUT": (lambda settings, _: str(_output(settings)), "mirror.output"),
    "STATE": (lambda settings, _: str(_home(settings)), "mirror.state"),
    "ALSO": (_also, None),
    "DIRECTORIES": (_directories, None),
    "COMMAND": (lambda _, here: _command(here), None),
    "DOCUMENTATION": (lambda _, here: _document(here), None),
    "ENVIRONMENT": (lambda _, here: unit_lines(here.environ), None),
    "VARIABLES": (lambda _, here: crontab_lines(here.environ), None),
    "POLICY": (lambda *_: HEADER_POLICY, None),
    "USER": (lambda _, here: here.user, ""),
    "LISTEN": (lambda _, here: _listen(here), None),
    "NAME": (lambda _, here: here.server_name, ""),
    "SITE": (lambda _, here: _site(here), ""),
    "WHEN": (lambda settings, _: _crontab(settings.schedule), None),
    "CALENDAR": (lambda settings, _: _calendar(settings), None),
}
"""How the values of the templates are made, and the key to name if one needs quotes."""


def _crontab(schedule: ScheduleSettings) -> str:
    """Return the closest cron expression that is not rarer than the schedule."""
    if schedule.cron is not None:
        return schedule.cron
    every = max(schedule.every or 0, _MINUTE)
    if every < _HOUR:
        minutes = max(n for n in range(1, 31) if 60 % n == 0 and n * _MINUTE <= every)
        return f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
    if every < 24 * _HOUR:
        hours = max(n for n in range(1, 13) if 24 % n == 0 and n * _HOUR <= every)
        return f"0 */{hours} * * *" if hours > 1 else "0 * * * *"
    return "0 0 * * *"


def systemd_calendar(cron: CronSim) -> list[str]:
    """Convert a cron expression to one or two lines of systemd.time(7).

    If there are two lines, each of them starts a run.
    """
    clock = f"{_range(cron.hours, 0, 23)}:{_range(cron.minutes, 0, 59)}:00"
    month = _range(cron.months, 1, 12)
    dated = f"*-{month}-{_range(cron.days, 1, 31)} {clock}"
    weekdays = sorted(
        {day % 7 for day in cron.weekdays if isinstance(day, int)}
    )  # 7 is Sunday, too
    names = ",".join(_DAYS[day] for day in weekdays)
    if not cron.day_and:
        return [dated, f"{names} *-{month}-* {clock}"]
    return [dated if len(weekdays) == len(_DAYS) else f"{names} {dated}"]


def _range(found: Iterable[int], low: int, high: int) -> str:
    """Write numbers as systemd does.

    All, an even step from the first on, or one by one.
    """
    numbers = sorted(found)
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 0
    if step and numbers == list(range(numbers[0], high + 1, step)):
        return "*" if (numbers[0], step) == (low, 1) else f"{numbers[0]:02d}/{step}"
    return ",".join(f"{number:02d}" for number in numbers)
