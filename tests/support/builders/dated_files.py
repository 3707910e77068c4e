"""Files with upload times, around one moment."""

from __future__ import annotations

from datetime import UTC, datetime

from yanksync.core.model import File, Page

HOUR, DAY = 3600.0, 86400.0
T = datetime(2026, 12, 1, tzinfo=UTC).timestamp()


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def file(name: str, uploaded: float | None) -> File:
    text = None if uploaded is None else iso(uploaded)
    return File(filename=name, url=f"https://files.example/{name}", upload_time=text)


def page(*files: File) -> Page:
    return Page(name="demo", files=files)
