"""The first member of a bundle, and the lines of its manifest."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

EVERYTHING = 0
"""As :attr:`BundleHeader.since`: the bundle has all that the mirror publishes."""


Cursor = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
"""The number of a bundle; the state holds no larger one."""

Moment = Annotated[float, Meta(ge=0, lt=253_402_300_800)]
"""UTC seconds of a time before the year 10000."""


class LogPart(StrEnum):
    """What a bundle has of the files about withdrawals."""

    NONE = "none"  # the mirror publishes none
    ALL = "all"
    CHANGED = "changed"


class BundleHeader(Struct, frozen=True, kw_only=True):
    """Describes a bundle, and names the one before it."""

    format: Literal[1] = 1
    mirror: str  # the same in all bundles of a mirror
    since: Cursor  # the cursor of the earlier bundle; or EVERYTHING
    since_token: str = ""  # the token of that bundle
    cursor: Annotated[int, Meta(gt=0, le=(1 << 63) - 1)]
    token: str  # random: another one in each bundle, even after a backup was restored
    log: LogPart = LogPart.NONE
    made: Moment | None = None
    serial: Cursor | None = None  # the list of projects has this one
    complete: Moment | None = None  # the mirror has all that upstream had then

    @property
    def has_everything(self) -> bool:
        """Whether it needs no bundle before it."""
        return self.since == EVERYTHING


def encode_header(header: BundleHeader) -> bytes:
    """Return the member of a header."""
    return msgspec.json.encode(header) + b"\n"


def decode_header(body: bytes) -> BundleHeader:
    """Return the header of a member. Raises :class:`ValueError`."""
    try:
        return msgspec.json.decode(body, type=BundleHeader)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error


def manifest_line(path: str, size: int, sha256: str) -> bytes:
    """Return the line of a member in the manifest."""
    return json.dumps({"path": path, "size": size, "sha256": sha256}).encode("ascii") + b"\n"


def encode_removed(path: str) -> bytes:
    """Return the line of something that was removed."""
    return json.dumps(path).encode("ascii") + b"\n"


def decode_removed(line: bytes) -> str:
    """Return what a line of :func:`encode_removed` names. Raises :class:`ValueError`."""
    try:
        return msgspec.json.decode(line, type=str)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
