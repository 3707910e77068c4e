"""yanksync on a pseudo-terminal, with a person who types."""

from __future__ import annotations

import os
import pty
import re
import select
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.cli_runner import Cli
from tests.support.fork_server.start import Options, Start

_PATIENCE = 300.0
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])")


@dataclass(frozen=True)
class Shown:
    """How a process on a terminal ended, and what the person saw."""

    code: int
    text: str


def typed(
    yanksync: Cli,
    *args: str,
    answer: str = "",
    when: str = "",
    before: Callable[[], None] = lambda: None,
    **environ: str,
) -> Shown:
    """Run on a terminal; type ``answer`` once ``when`` is on it, and ``before`` was called."""
    outer, inner = pty.openpty()
    terminal = {"TERM": "xterm", "PAGER": "cat"}
    environ = yanksync.environ | terminal | environ
    start = Start(args, yanksync.home, environ, Options(session=True))
    process = start.on((inner, inner, inner))
    os.close(inner)
    seen = ""
    waiting = bool(answer)
    while True:
        ready, _, _ = select.select([outer], [], [], _PATIENCE)
        assert ready, f"the process says nothing and does not end: {seen}"
        try:
            data = os.read(outer, 65536)
        except OSError:  # EIO: how Linux says that the last one closed it
            data = b""
        if not data:
            break
        seen += data.decode()
        if waiting and when in seen:
            before()
            os.write(outer, answer.encode())
            waiting = False
    os.close(outer)
    return Shown(process.wait(_PATIENCE), _ESCAPES.sub("", seen).replace("\r\n", "\n"))
