"""Checks the schedule of passes, and the optional libraries."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from yanksync.config.settings import Compression, Settings
from yanksync.doctor.checks import Check, failed, passed, warned
from yanksync.system.file_lock import Holder

_TABLES = ("etc/crontab", "etc/cron.d/*", "var/spool/cron/crontabs/*", "var/spool/cron/*")
_UNITS = ("etc/systemd/system", "usr/lib/systemd/system", "usr/local/lib/systemd/system")
_USER_UNITS = (".config/systemd/user", ".local/share/systemd/user")
_LINE = re.compile(r"^(?!\s*#).*\byanksync\b.*\b(?:sync|full-resync|run)\b", re.MULTILINE)
_START = re.compile(r"^ExecStart=.*\byanksync\b.*\b(?:sync|full-resync|run)\b", re.MULTILINE)
_HOW = "see 'yanksync show crontab' and 'yanksync show systemd'"
_PATIENCE = 10.0  # seconds for crontab
_EXTRAS = {Compression.BR: ("brotli", "compress"), Compression.ZSTD: ("zstandard", "compress")}


def extra_checks(settings: Settings) -> Iterator[Check]:
    """Yield whether the packages that the configuration needs can be loaded."""
    needed = [_EXTRAS[kind] for kind in settings.mirror.compress if kind in _EXTRAS]
    places = (settings.mirror.output, settings.mirror.state)
    needed += [("obstore", "s3")] * any(not isinstance(place, Path) for place in places)
    for package, extra in needed:
        try:
            import_module(package)
        except ImportError as error:
            yield failed("extras", f"{package}: {error}", f"pip install 'yanksync[{extra}]'")
            return
    names = ", ".join(package for package, _ in needed)
    yield passed("extras", f"{names} can be loaded" if names else "none needed")


def schedule_check(run: Holder | None, root: Path = Path("/"), home: Path | None = None) -> Check:
    """Return whether a cron line, a timer or a service starts passes.

    ``run`` is the present run. ``root`` and ``home`` are the directories to search.
    """
    if run is not None and run.command == "run":
        return passed("schedule", "'yanksync run' is at work")
    home = Path.home() if home is None else home
    idle = []
    for unit in (*_units(root, _UNITS), *_units(home, _USER_UNITS)):
        timer = unit.with_suffix(".timer")
        starts = timer if os.path.isfile(timer) else unit
        if _listed(starts.parent, f"*.wants/{starts.name}"):
            return passed("schedule", f"{starts} is enabled")
        idle.append(starts)
    table = _crontab(root)
    if table is not None:
        return passed("schedule", table)
    if idle:
        text = f"{idle[0]} is there and not enabled"
        return warned("schedule", text, f"run 'systemctl enable --now {idle[0].name}'")
    return warned("schedule", "no cron line, timer or service of yanksync was found", _HOW)


def _units(root: Path, places: tuple[str, ...]) -> Iterator[Path]:
    """Yield the services that start yanksync."""
    for place in places:
        for unit in _listed(root / place, "*.service"):
            if _START.search(_text(unit)):
                yield unit


def _crontab(root: Path) -> str | None:
    """Return the file with a cron line that starts yanksync."""
    for pattern in _TABLES:
        for table in _listed(root, pattern):
            if _LINE.search(_text(table)):
                return f"a line in {table}"
    with suppress(OSError, subprocess.SubprocessError):
        own = subprocess.run(
            ["crontab", "-l"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
        if _LINE.search(own.stdout):
            return "a line in this user's crontab"
    return None


def _listed(directory: Path, pattern: str) -> list[Path]:
    """Return matching files of a directory; empty if it cannot be read."""
    try:
        return sorted(directory.glob(pattern))
    except OSError:  # sudo and setpriv may keep another user's HOME
        return []


def _text(path: Path) -> str:
    """Return the content of a file; "": it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
