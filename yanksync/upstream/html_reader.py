"""Reads the elements that the Simple API gives a meaning to out of an HTML page.

lxml is imported where it is used: most runs never see HTML, and cron starts the tool often. Since
version 6 (libxml2 2.14) it divides a page as HTML5 says; those before cut attributes at a NUL.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from yanksync.upstream.rules import Broken

_SPACE = " \t\n\f\r"  # what HTML takes for space
_NONE: Mapping[str, str] = {}
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
_SERIAL = re.compile(r"SERIAL ([0-9]{1,19})\Z")


class Anchor(Struct):
    """One ``<a href>``, character references resolved once (B62)."""

    href: str
    attributes: Mapping[str, str]  # all of them; empty where ``href`` is the only one
    text: str = ""


class HtmlPage(Struct):
    """What a page says; of repeated attributes, metas and bases the first counts (B8, B67)."""

    anchors: list[Anchor] = field(default_factory=list)
    metas: dict[str, str] = field(default_factory=dict)
    base: str | None = None
    serial: str | None = None  # digits, from the comment that Warehouse puts last (B60)


class _Target:
    """Receives the parser's events; the nesting of hostile pages costs nothing this way."""

    def __init__(self) -> None:
        self.page = HtmlPage()
        self._text: list[str] | None = None  # of the anchor that is open

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "a" and "href" in attributes:
            self.end("a")
            rest = dict(attributes) if len(attributes) > 1 else _NONE
            self.page.anchors.append(Anchor(attributes["href"].strip(_SPACE), rest))
            self._text = []
        elif tag == "meta" and "name" in attributes:
            self.page.metas.setdefault(attributes["name"].lower(), attributes.get("content", ""))
        elif tag == "base" and "href" in attributes and self.page.base is None:
            self.page.base = attributes["href"].strip(_SPACE)

    def end(self, tag: str) -> None:
        if tag == "a" and self._text is not None:
            self.page.anchors[-1].text = "".join(self._text).strip(_SPACE)
            self._text = None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def comment(self, text: str) -> None:
        match = _SERIAL.match(text)
        if match:
            self.page.serial = match[1]

    def close(self) -> HtmlPage:
        self.end("a")
        return self.page


def read_html(body: bytes, content_type: str) -> HtmlPage:
    """Read ``body``; HTML forgives everything, so the caller judges whether it is a page at all.

    Raises:
        Broken: the bytes are no text of their charset, or lxml gives up.
        UnicodeDecodeError: likewise.
    """
    page = feed(body, content_type, _Target())
    assert isinstance(page, HtmlPage)
    return page


def feed(body: bytes, content_type: str, target: Any) -> object:
    """Return what ``target``, which gets the parser's events, makes of ``body``.

    Raises: as :func:`read_html`.
    """
    from lxml import etree

    charset = _charset(content_type)
    text = body.decode(charset)
    if not text.strip():
        raise Broken("it is empty")
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)
    try:
        parser.feed(body if charset == "utf-8" else text.encode())
        result: object = parser.close()
    except etree.LxmlError as problem:
        raise Broken(f"it cannot be read as HTML: {type(problem).__name__}") from None
    return result


def _charset(content_type: str) -> str:
    """Return the codec that the Content-Type names; UTF-8 without one.

    Raises:
        Broken: it names one that does not exist, or that is no character set.
    """
    match = _CHARSET.search(content_type)
    charset = match[1] if match else "utf-8"
    try:
        codec = codecs.lookup(charset)
        "".encode(codec.name)  # codecs such as "hex" are none for text
    except (LookupError, ValueError):
        raise Broken("its charset is unknown") from None
    return codec.name
