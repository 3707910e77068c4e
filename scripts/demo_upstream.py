"""The test upstream for scripts/demo: serves on loopback, obeys standard input, ends with it.

A line is a method of FakeUpstream and its arguments; the last one may hold spaces:
``yank demo 2.0 this is the reason``. Prints the Simple API's URL, then a serial for each line.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are not installed

from tests.support.fake_index.index import FakeUpstream, serve, wheel


def main() -> None:
    """Serve until standard input ends."""
    upstream = FakeUpstream()
    with serve(upstream) as served:
        print(served.simple_url, flush=True)
        for line in sys.stdin:
            print(obey(upstream, line.strip()), flush=True)


def obey(upstream: FakeUpstream, line: str) -> int:
    """Do what one line says and return the newest serial."""
    command, name, version, *reason = line.split(" ", 3)
    upstream.clock = int(time.time())
    if command == "upload":
        return upstream.upload(name, version, content=wheel(name, version))
    if command == "yank":
        return upstream.yank(name, version, *reason)
    if command == "unyank":
        return upstream.unyank(name, version)
    raise SystemExit(f"no such command: {command}")


if __name__ == "__main__":
    main()
