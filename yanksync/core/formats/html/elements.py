"""Reads the elements of the Simple API out of an HTML page.

lxml is imported where it is used, because most runs never see HTML, and cron starts the tool often.
From version 6 on (libxml2 2.14) it reads pages by the rules of HTML5; earlier versions cut
attributes at a NUL.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from msgspec import Struct, field

from yanksync.core.formats.reader_rules import InvalidDocument

_PIECE = 1 << 18  # bytes given to lxml at once
_MOST_PENDING = 16 << 20  # bytes without a start tag; a yank's reason may be a few million
_MOST_PARTS = 250_000  # words in them: each may be an attribute, which costs 300 bytes
_DEEPEST = 1_000_000  # tags that are open at once: libxml2 keeps a list of them
_MOST_LINKS = 400_000
_MOST_TEXTS = 10_000  # pieces of the text of one link
_SEPARATORS = b" \t\n\f\r/\"'"
_SPACE = " \t\n\f\r"  # what HTML takes for space
_NONE: Mapping[str, str] = {}
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
# The encodings of the web (WHATWG, Encoding Standard), by the names of their codecs. Other codecs
# are not for pages, and some need quadratic time, such as punycode.
_CODECS = frozenset(
    (
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "cp866", "cp874"),
        *("koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "gb2312", "gbk", "gb18030", "big5"),
        *("euc_jp", "iso2022_jp", "shift_jis", "cp932", "euc_kr", "cp949"),
        *(f"iso8859-{part}" for part in range(1, 17)),
        *(f"cp{page}" for page in range(1250, 1259)),
    )
)
_ATTRIBUTES = frozenset(
    (
        *("data-requires-python", "data-upload-time", "data-yanked", "data-provenance"),
        *("data-core-metadata", "data-dist-info-metadata", "data-gpg-sig"),
    )
)
_METAS = frozenset(("pypi:repository-version", "pypi:project-status", "pypi:project-status-reason"))
_SERIAL = re.compile(r"SERIAL ([0-9]{1,19})\Z")


class Anchor(Struct):
    """One ``<a href>``, character references resolved once."""

    href: str
    attributes: Mapping[str, str]  # those of the Simple API, besides ``href``
    text: str = ""


class HtmlPage(Struct):
    """The content of an HTML page.

    Of repeated attributes, metas and bases the first counts, as HTML says.
    """

    anchors: list[Anchor] = field(default_factory=list)
    metas: dict[str, str] = field(default_factory=dict)
    base: str | None = None
    serial: str | None = None  # digits, from the comment that Warehouse puts last


class ParserTarget:
    """Receives the parser's events.

    No tree is built. So the deep nesting of a hostile page costs no memory.
    """

    def __init__(self) -> None:
        self.started = False  #: whether a tag began since this was last reset
        # Why the page is refused. An exception raised here would keep the parser, and with it the
        # page, in memory until the garbage collector runs.
        self.problem: str | None = None
        self._depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take note of a start tag."""
        self.started = True
        self._depth += 1
        if self._depth > _DEEPEST:
            self.problem = "it is nested too deeply"

    def end(self, tag: str) -> None:
        """Take note of an end tag."""
        self._depth -= 1

    def data(self, text: str) -> None:
        """Take a piece of text."""


class _LinkCollector(ParserTarget):
    """Gives every link to ``take``, complete."""

    def __init__(self, take: Callable[[Anchor], None]) -> None:
        super().__init__()
        self.page = HtmlPage()
        self._take = take
        self._anchor: Anchor | None = None  # the one that is open
        self._text: list[str] | None = None  # of the anchor that is open

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        super().start(tag, attributes)
        if tag == "a" and "href" in attributes:
            self._end_link()
            rest = _NONE
            if len(attributes) > 1:
                rest = {key: attributes[key] for key in _ATTRIBUTES.intersection(attributes)}
            self._anchor = Anchor(attributes["href"].strip(_SPACE), rest)
            self._text = []
        elif tag == "meta" and (name := attributes.get("name", "").lower()) in _METAS:
            self.page.metas.setdefault(name, attributes.get("content", ""))
        elif tag == "base" and "href" in attributes and self.page.base is None:
            self.page.base = attributes["href"].strip(_SPACE)

    def end(self, tag: str) -> None:
        super().end(tag)
        if tag == "a":
            self._end_link()

    def _end_link(self) -> None:
        if self._anchor is not None and self._text is not None and self.problem is None:
            self._anchor.text = "".join(self._text).strip(_SPACE)
            try:
                self._take(self._anchor)
            except InvalidDocument as problem:
                self.problem = str(problem)
            self._anchor = self._text = None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)
            if len(self._text) > _MOST_TEXTS:
                self.problem = "the text of a link has too many pieces"
                self._text = None

    def comment(self, text: str) -> None:
        match = _SERIAL.match(text)
        if match:
            self.page.serial = match[1]

    def forget(self) -> None:
        """Release the page.

        lxml keeps its target until the garbage collector runs.
        """
        self._take = _ignore
        self.page = HtmlPage()

    def close(self) -> HtmlPage:
        """Return the page, without its links."""
        self._end_link()
        return self.page


def _ignore(anchor: Anchor) -> None:
    """Take a link, and do nothing."""


def read_html(body: bytes, content_type: str, limit: int = _MOST_LINKS) -> HtmlPage:
    """Read ``body`` as HTML.

    HTML has no errors, so the caller decides whether this is a project page.

    Raises:
        InvalidDocument: the bytes are no text of their charset, there are more than ``limit``
            links, or lxml gives up.
        UnicodeDecodeError: likewise.
    """
    anchors: list[Anchor] = []

    def take(anchor: Anchor) -> None:
        if len(anchors) >= limit:
            raise InvalidDocument(f"more than {limit} links")
        anchors.append(anchor)

    page = collect_links(body, content_type, take)
    page.anchors = anchors
    return page


def collect_links(body: bytes, content_type: str, take: Callable[[Anchor], None]) -> HtmlPage:
    """Read ``body``, and call ``take`` with each link.

    Returns the rest of the page.

    Raises: as :func:`read_html`, and what ``take`` raises.
    """
    links = _LinkCollector(take)
    try:
        page = feed(body, content_type, links)
    finally:
        links.forget()
    assert isinstance(page, HtmlPage)
    return page


def feed(body: bytes, content_type: str, target: ParserTarget) -> object:
    """Return what ``target``, which gets the parser's events, makes of ``body``.

    Raises: as :func:`read_html`.
    """
    from lxml import etree

    parser = etree.HTMLParser(
        target=target,  # type: ignore[arg-type]
        encoding="utf-8",
        huge_tree=True,
    )
    try:
        _feed(parser.feed, _pieces(body, _codec(content_type)), target)
        result: object = parser.close()
    except etree.LxmlError as problem:
        raise InvalidDocument(f"it cannot be read as HTML: {type(problem).__name__}") from None
    except BaseException:
        # Until it is closed, libxml2 keeps a copy of the page.
        with suppress(etree.LxmlError, AssertionError):
            parser.close()
        raise
    if target.problem is not None:
        raise InvalidDocument(target.problem)
    return result


def _feed(feed: Callable[[bytes], None], pieces: Iterator[bytes], target: ParserTarget) -> None:
    """Feed a parser, as long as ``target`` takes what comes of it.

    Raises as :func:`read_html`.
    """
    blank, pending, parts = True, 0, 0
    for piece in pieces:
        blank = blank and not piece.strip()
        feed(piece)
        if target.problem is not None:
            raise InvalidDocument(target.problem)
        pending, parts = pending + len(piece), parts + _parts(piece)
        if target.started:
            pending = parts = 0
            target.started = False
        elif pending > _MOST_PENDING or parts > _MOST_PARTS:
            raise InvalidDocument("it has a tag of too many parts, or too much text without a tag")
    if blank:
        raise InvalidDocument("it is empty")


def _parts(piece: bytes) -> int:
    """Return how many attributes may begin in ``piece`` at the most."""
    return len(piece) - len(piece.translate(None, _SEPARATORS))


def _pieces(body: bytes, codec: str) -> Iterator[bytes]:
    """Yield ``body`` as UTF-8, in pieces that begin with a tag.

    Raises:
        UnicodeDecodeError: it is no text of ``codec``.
    """
    decoder = codecs.getincrementaldecoder(codec)()
    rest = b""
    for start in range(0, len(body), _PIECE):
        raw = body[start : start + _PIECE]
        text = decoder.decode(raw, start + _PIECE >= len(body))
        rest += raw if codec == "utf-8" else text.encode()
        cut = rest.rfind(b"<", 1) if start + _PIECE < len(body) else len(rest)
        if cut > 0:
            yield rest[:cut]
            rest = rest[cut:]
        elif len(rest) > _MOST_PENDING:
            raise InvalidDocument("it has too much text without a tag")


def _codec(content_type: str) -> str:
    """Return the codec that the Content-Type names; UTF-8 without one.

    Raises:
        InvalidDocument: it names one that is not for web pages.
    """
    match = _CHARSET.search(content_type)
    try:
        codec = codecs.lookup(match[1] if match else "utf-8").name
    except (LookupError, ValueError):
        codec = ""
    if codec not in _CODECS:
        raise InvalidDocument("its charset is unknown: it is no encoding of web pages")
    return codec
