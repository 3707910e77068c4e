"""The page of withdrawals in a directory, and a plain server for one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.core.withdrawals.web.chart import DayTotals
from yanksync.core.withdrawals.web.index_page import IndexContent, render_index
from yanksync.core.withdrawals.web.pins_document import render_pins
from yanksync.core.withdrawals.web.project_page import ProjectContent, render_project
from yanksync.core.withdrawals.web.shell import ASSETS
from yanksync.core.withdrawals.web.standing import project_standing

TITLE = "Withdrawn releases"


def write_site(folder: Path, events: Sequence[WithdrawalEvent], days: Sequence[DayTotals]) -> None:
    """Write the page and those of its projects; events and days are the newest first."""
    for name in ASSETS:
        asset = files("yanksync.core.withdrawals.web").joinpath("assets", name)
        _write(folder / "assets" / name, asset.read_bytes())
    content = IndexContent(
        title=TITLE, last_day=days[0].day, counts=days, events=events, total=len(events)
    )
    _write(folder / "index.html", render_index(content))
    for name in {event.project for event in events}:
        own = [event for event in events if event.project == name]
        standing = project_standing(reversed(own))
        page = ProjectContent(
            project=name, title=TITLE, events=own, count=len(own), standing=standing
        )
        _write(folder / "project" / name / "index.html", render_project(page))
        _write(folder / "project" / name / "withdrawn.json", render_pins(standing))


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve_files(folder: Path) -> Iterator[str]:
    """Serve a directory on loopback; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
