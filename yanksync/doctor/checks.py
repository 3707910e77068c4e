"""The result of a check, as a value."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Level(StrEnum):
    """How a check ended. A warning is not a failure."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class Check(Struct, frozen=True):
    """What was checked, the result, and advice."""

    name: str
    level: Level
    text: str
    advice: str = ""  # for a person; "": there is nothing to do


def passed(name: str, text: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, Level.OK, text)


def warned(name: str, text: str, advice: str) -> Check:
    """Return a check with a warning."""
    return Check(name, Level.WARNING, text, advice)


def failed(name: str, text: str, advice: str = "") -> Check:
    """Return a check that found a fault."""
    return Check(name, Level.FAILURE, text, advice)
