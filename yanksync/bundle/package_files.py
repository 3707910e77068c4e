"""Publishes the package files of a bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

from yanksync.bundle.archive import Member
from yanksync.bundle.places import Places
from yanksync.output.package_store import PackageEntry

_FILES = 256  # files that become visible together

Body = tuple[Member, Iterator[bytes]]
"""A member of a bundle, and its bytes."""


def add_files(places: Places, members: Iterable[Body]) -> None:
    """Publish package files, except those that are in their places.

    Raises :class:`yanksync.core.errors.PublishError`.
    """
    missing = _missing(places, members)
    while batch := _receive(places, islice(missing, _FILES)):
        places.packages.publish_packages(batch)


def _missing(places: Places, members: Iterable[Body]) -> Iterator[Body]:
    for member, chunks in members:
        if _is_in_place(places, member):
            for _ in chunks:  # the member is noted at its end
                pass
        else:
            yield member, chunks
        places.progress.advance(not member.path.endswith(".metadata"))


def _is_in_place(places: Places, member: Member) -> bool:
    """Return whether the output has the bytes of a member."""
    if not isinstance(places.settings.mirror.output, Path):
        return False  # to read an object costs as much as to write it
    path = member.path
    if places.packages.package_entries([path]).get(path) != PackageEntry(path, member.size):
        return False
    found = sha256()
    try:
        for chunk in places.packages.package_chunks(path):
            found.update(chunk)
    except OSError:
        return False
    return found.hexdigest() == member.sha256


def _receive(places: Places, members: Iterable[Body]) -> list[str]:
    """Write files where no web server reads them; return their paths."""
    received: list[str] = []
    try:
        for member, chunks in members:
            received.append(member.path)
            with places.packages.receive(member.path) as incoming:
                incoming.restart()
                for chunk in chunks:
                    incoming.write(chunk)
    except BaseException:
        places.packages.keep_incoming(())
        raise
    return received
