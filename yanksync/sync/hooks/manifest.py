"""Writes the changes of a run to a file of lines.

The lines are ``put PATH`` and ``delete PATH``. Paths are below the output. If a copy follows the
lines of all files, in the order of their names, it has the same files as the output.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from yanksync.core import layout
from yanksync.state.queues.hooks import LEGACY, OutputChange
from yanksync.system import atomic_files

_FORMAT = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(\d{8}T\d{6}Z)-\d{8,}\.txt", re.ASCII)
_SAME = {alias: form for form, alias in layout.ALIAS.items()}
_FORMS = (layout.HTML.filename, layout.V1_HTML.filename, layout.V1_JSON.filename)


def lines(changes: Iterable[OutputChange]) -> Iterator[str]:
    """Yield the lines of ``changes``, copies before their page.

    A deleted file may never have been there; a file that is put is there now.
    """
    for change in changes:
        base = layout.directory(change.project)
        followed = change.legacy or LEGACY in change.before
        for form in (layout.LEGACY.filename, *_FORMS) if followed else _FORMS:
            stands = change.now is not None and (change.legacy or form in _FORMS)
            copies = [
                one
                for one in change.now or ()
                if layout.split_copy_name(one)[0] == _SAME.get(form, form)
            ]
            now = {layout.split_copy_name(one)[1]: None for one in copies} if stands else {}
            for codec, suffix in layout.SUFFIX.items():
                if codec in change.before and codec not in now:
                    yield f"delete {base}/{form}{suffix}"
            for codec in now:
                yield f"put {base}/{form}{layout.SUFFIX[codec]}"
            yield f"{'put' if stands else 'delete'} {base}/{form}"
        if change.now is None:
            yield f"delete {base}/"


def write_manifest(directory: Path, run: int, now: float, found: Iterable[str]) -> Path:
    """Write a manifest of ``found`` in one step; return its path.

    Its name is later than that of every other one, whatever the clock says. Raises
    :class:`OSError`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    newest = max((moment for _, moment in _there(directory)), default=0)
    stamp = time.strftime(_FORMAT, time.gmtime(max(int(now), newest + 1)))
    path = directory / f"{stamp}-{run:08d}.txt"
    atomic_files.write_atomically(
        path, ".manifest.tmp", (f"{line}\n" for line in found), lasting=True
    )
    return path


def tidy(directory: Path, before: float) -> None:
    """Remove manifests that are older than ``before``. Raises :class:`OSError`."""
    for path, moment in _there(directory):
        if moment < before:
            path.unlink(missing_ok=True)


def _there(directory: Path) -> Iterator[tuple[Path, int]]:
    """Yield the manifests in ``directory``, with their times.

    All other files there belong to others.
    """
    for path in directory.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            found = datetime.strptime(match[1], _FORMAT).replace(tzinfo=UTC)
        except ValueError:  # for example a month 13
            continue
        yield path, int(found.timestamp())
