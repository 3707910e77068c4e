"""Reads the pages of an index from a directory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer, UpstreamError, UpstreamUnreachable
from yanksync.core.formats.parse import parse_page
from yanksync.core.names import NormalizedName
from yanksync.reports.compare.asked_index import (
    RULES,
    Answer,
    Answers,
    ReadPage,
    serial_in,
)

_FORMS = (layout.V1_JSON, layout.V1_HTML, layout.HTML)
_BASE = "http://localhost/simple/"  # of relative links, which are not followed
_HEAD = 1 << 16  # bytes of the list that are read


class IndexTree:
    """A directory with a page for each project."""

    def __init__(self, directory: Path, max_size: int) -> None:
        """``directory``: the index, or the directory that contains it as ``simple``.

        ``max_size``: bytes of a page.
        """
        below = directory / layout.ROOT
        self._root = below if os.path.isdir(below) else directory
        self._max_size = max_size
        self.where = str(self._root)

    def serial(self) -> int | None:
        """Return the serial of the list.

        Raises :class:`UpstreamUnreachable`, and :class:`InvalidAnswer` if this is no index.
        """
        if not os.path.isdir(self._root):
            raise UpstreamUnreachable(self.where, "there is no such directory")
        for form in _FORMS:
            try:
                with (self._root / form.filename).open("rb") as file:
                    return serial_in(file.read(_HEAD))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise UpstreamUnreachable(self.where, str(error.strerror)) from error
        self._check_pages()
        return None

    def _check_pages(self) -> None:
        """Refuse a directory with neither a list nor pages (R7)."""
        places = (f"{above}/{form.filename}" for above in ("*", "?/*") for form in _FORMS)
        if not any(any(self._root.glob(place)) for place in places):
            raise InvalidAnswer(
                self.where,
                "there is no index: neither a list of projects nor a page of one. Name the "
                "directory that has them, or the one above its simple/",
            )

    def pages(self, names: Iterable[NormalizedName]) -> Answers:
        """Yield the page of each of ``names``."""
        for name in names:
            yield name, self._answer(name)

    def _answer(self, name: NormalizedName) -> Answer:
        for directory in (
            self._root / name,
            self._root / name[0] / name,
        ):  # bandersnatch's hash-index
            for form in _FORMS:
                try:
                    return self._read(name, directory / form.filename, form.content_type)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError as error:
                    return UpstreamUnreachable(str(directory), str(error.strerror))
                except UpstreamError as error:
                    return error.without_traceback()
        return None

    def _read(self, name: NormalizedName, path: Path, content_type: str) -> ReadPage:
        with path.open("rb") as file:
            body = file.read(self._max_size + 1)
        if len(body) > self._max_size:
            raise InvalidAnswer(str(path), "is larger than upstream.max_page_size")
        parsed = parse_page(body, content_type, f"{_BASE}{name}/", name, RULES)
        return ReadPage(parsed.page, html=not parsed.is_json)
