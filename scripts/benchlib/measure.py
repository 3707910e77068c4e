"""Runs a command to its end and says what it took."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from .nginx import Nginx, is_page

_LAUNCH = Path(__file__).with_name("launch.py")
_SAMPLE = 0.1  # seconds between looks at the processes
_TICK = os.sysconf("SC_CLK_TCK")
_SYNCS = "fsync,fdatasync,sync,syncfs,sync_file_range"


class Command(Struct, frozen=True, kw_only=True):
    """What is run."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = {}
    good: tuple[int, ...] = (0,)  # exit codes that count as success
    timeout: float = 1800.0


class Taken(Struct, frozen=True, kw_only=True):
    """What it took."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of all its processes
    system: float  # of these, seconds in the kernel
    peak_mib: float  # all its processes together
    requests: int = 0
    pages: int = 0  # requests for projects
    received: int = 0  # bytes
    errors: int = 0
    before_pages: float | None = None  # CPU seconds before the first page request
    code: int = 0
    good: bool = True
    note: str = ""
    fsyncs: int | None = None
    others: float = 0.0  # processors that others kept busy meanwhile, our nginx among them


def run(command: Command, nginx: Nginx, log: Path, *, watch: bool = False) -> Taken:
    """Run and measure; ``watch``: also how much CPU it took before the first page request."""
    mark = nginx.mark()
    out, pidfile = log.with_suffix(".usage"), log.with_suffix(".pid")
    for stale in (out, pidfile):
        stale.unlink(missing_ok=True)
    busy = _busy()
    launcher = [sys.executable, "-I", "-S", str(_LAUNCH), str(out), str(pidfile), *command.argv]
    with log.open("wb") as output:
        process = subprocess.Popen(
            launcher,
            cwd=command.cwd,
            env=environment(command.env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watcher = _Watcher(pidfile, nginx if watch else None, mark)
        watcher.start()
        try:
            process.wait(command.timeout)
        finally:
            _end(process, pidfile)
            watcher.done.set()
            watcher.join()
    busy = _busy() - busy
    usage = json.loads(out.read_text())
    traffic = nginx.traffic(mark)
    code = usage["code"]
    cpu = usage["user"] + usage["system"]
    return Taken(
        wall=usage["wall"],
        cpu=cpu,
        system=usage["system"],
        others=max(0.0, busy - cpu) / usage["wall"],
        peak_mib=max(usage["peak_kib"], watcher.peak_kib) / 1024,
        requests=traffic.requests,
        pages=traffic.pages,
        received=traffic.received,
        errors=traffic.errors,
        before_pages=watcher.before_pages,
        code=code,
        good=code in command.good,
        note="" if code in command.good else f"exit {code}, see {log}",
    )


def fsyncs(command: Command, log: Path) -> int:
    """Run under strace, which distorts every other figure, and count what waits for the disk."""
    counts = log.with_suffix(".strace")
    strace = ["strace", "-f", "-qq", "-e", f"trace={_SYNCS}", "-o", str(counts), *command.argv]
    with log.open("wb") as output:
        subprocess.run(
            strace,
            cwd=command.cwd,
            env=environment(command.env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=command.timeout,
            check=False,
        )
    text = counts.read_text(errors="replace")
    counts.unlink()
    return len(re.findall(rf"\b(?:{_SYNCS.replace(',', '|')})\(", text))


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a measured command.

    Proxies and this machine's settings are left out.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.lower().endswith("_proxy") and not key.startswith(("YANKSYNC_", "PYTHON"))
    }
    return {**kept, "NO_PROXY": "127.0.0.1", "LC_ALL": "C.UTF-8", **more}


def _busy() -> float:
    """Return the seconds that all processors together were busy since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICK  # without idle and waiting


def _end(process: subprocess.Popen[bytes], pidfile: Path) -> None:
    """Make sure that nothing runs on after an interrupt or a time-out."""
    if process.poll() is None:
        if pidfile.exists():
            os.kill(int(pidfile.read_text()), 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Watcher(threading.Thread):
    """Looks at the processes of a command while it runs."""

    def __init__(self, pidfile: Path, nginx: Nginx | None, mark: int) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.peak_kib = 0
        self.before_pages: float | None = None
        self._pidfile, self._nginx, self._mark = pidfile, nginx, mark
        self._next = 0.0

    def run(self) -> None:
        pause = 0.01 if self._nginx is not None else _SAMPLE
        while not self.done.wait(pause):
            pid = self._pid()
            if pid is None:
                continue
            if self._nginx is not None and self.before_pages is None and self._paged():
                self.before_pages = _cpu(pid)
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + _SAMPLE
                tree = _tree(pid)
                if len(tree) > 1:  # of a single one the kernel tells more exactly
                    self.peak_kib = max(self.peak_kib, sum(_resident(one) for one in tree))

    def _pid(self) -> int | None:
        try:
            return int(self._pidfile.read_text())
        except (OSError, ValueError):
            return None

    def _paged(self) -> bool:
        assert self._nginx is not None
        with self._nginx.log.open("rb") as log:
            log.seek(self._mark)
            return any(is_page(line.split(b" ", 3)[3]) for line in log if line.count(b" ") > 2)


def _tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                children = Path(f"/proc/{one}/task/{task}/children").read_text()
                queue += [int(child) for child in children.split()]
        except OSError:
            continue
    return found


def _resident(pid: int) -> int:
    try:
        match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(match[1]) if match else 0


def _cpu(pid: int) -> float:
    total = 0
    for one in _tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / _TICK
