"""Checks the things that copies of package files need.

These are a place out of service, room, and a web server.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from yanksync.config.settings import Settings
from yanksync.core.errors import UpstreamError, YanksyncError
from yanksync.core.layout import PACKAGES
from yanksync.core.urls import redacted
from yanksync.doctor.checks import Check, failed, passed, warned
from yanksync.mirror.open_mirror import open_package_store
from yanksync.output.disk.published_files import room_at
from yanksync.system.ownership import ownership_hint
from yanksync.upstream.first_look import FirstLook, first_look
from yanksync.upstream.http.http_session import Session

_NAME = "package files"
_SHOW = "serve it with what 'yanksync show nginx' or 'yanksync show caddy' prints"
_OTHERS = 0o077


def place_checks(settings: Settings) -> Iterator[Check]:
    """Yield the checks of the places of copies.

    There are some only if files are copied, and to a directory.
    """
    output, withheld = settings.mirror.output, settings.withheld
    if not (settings.copies_files and isinstance(output, Path) and isinstance(withheld, Path)):
        return
    yield _withheld(output, withheld)
    free = room_at(str(_existing(output / PACKAGES)))
    least = settings.files.free_space
    if free is not None and free.bytes < least:
        text = f"{free.bytes >> 20:,} MiB are free, and files.free_space keeps {least >> 20:,} MiB"
        yield failed(f"{_NAME} room", text, "make room, or lower files.free_space")


def _withheld(output: Path, place: Path) -> Check:
    """Check the directory of files that are out of service."""
    name, there = f"{_NAME} withheld", _existing(place)
    if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
        text = f"{place} cannot be written{ownership_hint(there)}"
        return failed(name, text, "name another directory as files.withheld, or change the owner")
    if there == place and stat.S_IMODE(place.stat().st_mode) & _OTHERS:
        text = f"others can read {place}, and it may hold malware"
        return warned(name, text, f"chmod 700 {place}")
    if there.stat().st_dev != _existing(output / PACKAGES).stat().st_dev:
        text = f"{place} is on another file system than the output, so files are copied there"
        return warned(name, text, "name a directory on the same disk as files.withheld")
    return passed(name, f"{place} keeps files that are out of service")


def _existing(place: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    while not os.path.exists(place) and place != place.parent:
        place = place.parent
    return place


def served_checks(session: Session, settings: Settings, root: str) -> Iterator[Check]:
    """Yield whether the web server at ``root`` serves package files."""
    name, output = "web package", settings.mirror.output
    store = open_package_store(settings) if isinstance(output, Path) else None
    if store is None or not isinstance(output, Path):
        return
    url = ""
    try:
        path = next(store.packages(), None)
        if path is None:
            yield passed(name, "not checked: there is no copy yet")
            return
        url = f"{root}{quote(path)}"
        look = first_look(session, url, None)
        with (output / path).open("rb") as file:
            is_same = file.read(len(look.head)) == look.head
    except UpstreamError as error:
        yield failed(name, str(error), "start the web server, or correct --url")
        return
    except (OSError, YanksyncError) as error:
        yield failed(name, str(error), "see 'yanksync verify'")
        return
    yield _judge(name, redacted(url), look, is_same=is_same)


def _judge(name: str, url: str, look: FirstLook, *, is_same: bool) -> Check:
    if look.status != 200:
        return failed(name, f"{url} answered {look.status}", _SHOW)
    if not is_same or look.headers.get("content-encoding", "identity") != "identity":
        return failed(name, f"{url} is not the file that was copied", _SHOW)
    if "immutable" not in look.headers.get("cache-control", ""):
        return warned(name, f"{url} has no 'Cache-Control: immutable'", _SHOW)
    return passed(name, "served as it was copied, and caches may keep it")
