"""Read a state as another user: ``python -m tests.support.state_reader PATH USER``.

Each line of standard input is a query. The answer is a line of JSON: the rows, or an error's text.
An empty line asks for the number of open files.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from yanksync.core.errors import StateError
from yanksync.state.sqlite.reading import ReadOnlyDatabase


def answers(path: Path) -> None:
    """Answer each line, if the state can be opened."""
    database = ReadOnlyDatabase(path)
    for line in sys.stdin:
        try:
            say(database.execute(line) if line.strip() else len(os.listdir("/proc/self/fd")))
        except StateError as error:
            say(str(error))


def say(answer: object) -> None:
    """Print an answer."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
    try:
        answers(Path(sys.argv[1]))
    except StateError as failed:
        say(str(failed))
