"""Distinguishes empty project pages from pages that only look empty.

An index such as Nexus answers "Links for NAME", with no link, for a project that it lacks. A
maintenance page, a log-in or a file browser also lacks files. It must not empty the mirror (R7).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from msgspec import Struct, field

from yanksync.core.formats.html.elements import ParserTarget, feed
from yanksync.core.formats.reader_rules import InvalidDocument, quoted_for_log
from yanksync.core.names import NormalizedName, normalize

_TITLES = frozenset({"title", "h1", "h2", "h3", "h4", "h5", "h6"})
_MOST = 10_000  # links, or titles, of a page without files
_WORD = re.compile(r"[A-Za-z0-9]+(?:[-_.]+[A-Za-z0-9]+)*")


class _EmptyPageText(Struct):
    """The text of a page without files."""

    titles: list[str] = field(default_factory=list)  # its title and headings, in order
    links: list[str] = field(default_factory=list)
    made_elsewhere: bool = False  # by a script, or the page sends the reader on


class _TitleCollector(ParserTarget):
    """Receives the parser's events."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = _EmptyPageText()
        self._text: list[str] | None = None  # of the title or heading that is open

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        super().start(tag, attributes)
        if tag in _TITLES:
            self._end_title()
            self._text = []
        elif tag == "a" and "href" in attributes:
            self._looks.links.append(attributes["href"])
            self._count(self._looks.links)
        elif tag == "script" or attributes.get("http-equiv", "").lower() == "refresh":
            self._looks.made_elsewhere = True

    def end(self, tag: str) -> None:
        super().end(tag)
        if tag in _TITLES:
            self._end_title()

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)
            self._count(self._text)

    def close(self) -> _EmptyPageText:
        self._end_title()
        return self._looks

    def _count(self, parts: list[str]) -> None:
        if len(parts) > _MOST:
            self.problem = "it is no project page: it has no files, and too many links or titles"
            parts.clear()

    def _end_title(self) -> None:
        if self._text is not None:
            self._looks.titles.append(" ".join("".join(self._text).split()))
            self._count(self._looks.titles)
            self._text = None


def check_empty(body: bytes, content_type: str, url: str, project: NormalizedName) -> None:
    """Check that an empty page names the project in title or heading.

    Raises:
        InvalidDocument: it is another page; says what it looks like.
        UnicodeDecodeError: it is no text of its charset.
    """
    looks = feed(body, content_type, _TitleCollector())
    assert isinstance(looks, _EmptyPageText)
    strange = next((link for link in looks.links if not _is_own(link, url)), None)
    named = any(_names(title, project) for title in looks.titles)
    if named and strange is None and not looks.made_elsewhere:
        return
    title = next(filter(None, looks.titles), None)
    said = [] if title is None else [f"it looks like {quoted_for_log(title)}"]
    said += [] if strange is None else [f"it links to {quoted_for_log(strange)}"]
    said += ["a script or a redirect makes its content"] if looks.made_elsewhere else []
    raise InvalidDocument(
        "it is no project page: it has neither a repository version nor a link to a distribution; "
        + (", ".join(said) or "it has no title")
    )


def _is_own(link: str, url: str) -> bool:
    """Return whether a link leads to the page or its parent."""
    try:
        target = urlsplit(urljoin(url, link))._replace(query="", fragment="")
    except ValueError:
        return False
    here = url.partition("?")[0].partition("#")[0]
    return target.geturl() in (here, urljoin(here, "."), urljoin(here, ".."))


def _names(text: str, project: NormalizedName) -> bool:
    """Return whether ``text`` has the project's name, in any spelling."""
    return any(normalize(word) == project for word in _WORD.findall(text))
