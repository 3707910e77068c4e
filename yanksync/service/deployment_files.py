"""What a mirror is run and served with: files for cron, systemd, nginx and Caddy, filled in.

The templates are in ``yanksync/service/templates/``. What ``cron/`` in the sources holds is made of
them by ``scripts/docs``, for :data:`EXAMPLE`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from cronsim import CronSim
from msgspec import Struct

from yanksync.config.crontab import parse
from yanksync.config.settings import ScheduleSettings, Settings
from yanksync.core.errors import ConfigError

FILES = (
    "nginx.conf",
    "Caddyfile",
    "crontab",
    "yanksync.service",
    "yanksync.timer",
    "yanksync-run.service",
)
_SITES, UNITS = FILES[:2], FILES[3:]
_NAME = re.compile(r"@([A-Z]+)@")
# What means itself in each of the formats, unquoted. "%" does not, in a crontab or a unit.
_PLAIN = re.compile(r"[\w./:,=+~@\[\]-]+")
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_MINUTE, _HOUR = 60, 60 * 60


class Installation(Struct, frozen=True, kw_only=True):
    """Where yanksync is installed, and as whom and where it serves."""

    program: str  # the command, with its absolute path
    config: str | None = None  # the configuration file
    user: str = "yanksync"
    listen: str = "80"  # a port, address:port, or (Caddy) a host name


EXAMPLE = Installation(program="/opt/yanksync/bin/yanksync", config="/etc/yanksync.toml")


def this_installation(settings: Settings, user: str, listen: str) -> Installation:
    """Return the place of this very installation."""
    beside = Path(sys.executable).absolute().with_name("yanksync")
    program = str(beside) if beside.exists() else f"{sys.executable} -m yanksync"
    config = None if settings.source is None else str(settings.source)
    return Installation(program=program, config=config, user=user, listen=listen)


def render_file(name: str, settings: Settings, installation: Installation) -> str:
    """Return the file ``name`` of :data:`FILES`, filled in.

    :raises ConfigError: when a value would have to be quoted, which each format does in its own way
    """
    if name in _SITES and not isinstance(settings.mirror.output, Path):
        problem = f"is object storage, which {name} does not serve (docs/how-to/object-storage.rst)"
        raise ConfigError("mirror.output", _source(installation), problem)
    template = files("yanksync.service").joinpath("templates", name).read_text(encoding="utf-8")
    values = _values(settings, installation)

    def fill(match: re.Match[str]) -> str:
        key, value = match[1], values[match[1]]
        plain = value.replace(" ", "") if key in _SPACED else value
        if not _PLAIN.fullmatch(plain) and key not in _OURS:
            problem = f"{value!r} cannot be written into {name}: rename it, or write it by hand"
            raise ConfigError(_KEYS.get(key, ""), _source(installation), problem)
        return value

    return _NAME.sub(fill, template)


_OURS = {"WHEN", "CALENDAR", "ALSO"}  # made here
_SPACED = {"COMMAND"}
_KEYS = {"OUTPUT": "mirror.output", "STATE": "mirror.state"}


def _source(installation: Installation) -> str:
    return installation.config or "the configuration"


def _values(settings: Settings, installation: Installation) -> dict[str, str]:
    when = _crontab(settings.schedule)
    config = "" if installation.config is None else f" --config {installation.config}"
    site, output, state = installation.listen, settings.mirror.output, settings.mirror.state
    home = state.parent if isinstance(state, Path) else Path("/var/tmp")  # where it is worked on
    if site.isdecimal():
        site = f":{site}"
    elif ":" in site:
        site = f"http://{site}"
    return {
        "OUTPUT": str(output if isinstance(output, Path) else home),
        "STATE": str(home),
        "ALSO": _also(settings, installation),
        "COMMAND": installation.program + config,
        "USER": installation.user,
        "LISTEN": installation.listen,
        "SITE": site,
        "WHEN": when,
        "CALENDAR": "\n".join(f"OnCalendar={line}" for line in systemd_calendar(parse(when))),
    }


def _also(settings: Settings, installation: Installation) -> str:
    """Return the lines of a unit that let it write to what else is configured."""
    metrics, manifest = settings.health.metrics, settings.hooks.manifest
    also = {
        "health.metrics": None if metrics is None else metrics.parent,
        "hooks.manifest": manifest,
    }
    lines = ""
    for key, path in also.items():
        if path is not None and not _PLAIN.fullmatch(str(path)):
            problem = f"'{path}' cannot be written into a unit: rename it, or write it by hand"
            raise ConfigError(key, _source(installation), problem)
        lines += "" if path is None else f"\nReadWritePaths={path}"
    return lines


def _crontab(schedule: ScheduleSettings) -> str:
    """Return the expression that comes closest to the schedule without being rarer."""
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
    """Return the expression as systemd.time(7) has it: a line, or two of which one is enough."""
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
    """Write numbers as systemd does: all, an even step from the first on, or one by one."""
    numbers = sorted(found)
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 0
    if step and numbers == list(range(numbers[0], high + 1, step)):
        return "*" if (numbers[0], step) == (low, 1) else f"{numbers[0]:02d}/{step}"
    return ",".join(f"{number:02d}" for number in numbers)
