"""Faults, the switches that change answers, and the log of what was asked."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class Kind(Enum):
    """The sorts of faults; see the constructors of :class:`Fault`."""

    REPLACE = auto()
    RPC_FAULT = auto()
    RESET = auto()
    HANG = auto()
    DELAY = auto()
    DRIP = auto()
    TRUNCATE = auto()
    GARBAGE = auto()
    CONTENT_TYPE = auto()
    EMPTY_LIST = auto()
    HALF_LIST = auto()
    EMPTY_PAGE = auto()
    FALLBACK = auto()


MAINTENANCE = (
    b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Later.</body></html>"
)
_BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa">\n'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">\n' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>\n<methodResponse><params><param><value><string>&i;</string></value></param></params>"
    "</methodResponse>"
).encode()


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to answer wrongly."""

    kind: Kind
    code: int = 200
    seconds: float = 0.0
    text: str = ""
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def status(cls, code: int, retry_after: int | str | None = None) -> Fault:
        """Answer with an HTTP error (or any status) and an HTML body."""
        return cls.body(MAINTENANCE, "text/html", code, retry_after)

    @classmethod
    def body(
        cls,
        content: bytes,
        content_type: str,
        code: int = 200,
        retry_after: int | str | None = None,
    ) -> Fault:
        """Answer with any bytes at all."""
        headers = [("Content-Type", content_type)]
        if retry_after is not None:
            headers.append(("Retry-After", str(retry_after)))
        return cls(Kind.REPLACE, code=code, content=content, headers=tuple(headers))

    @classmethod
    def maintenance(cls) -> Fault:
        """Answer 200 with an unrelated HTML page.

        It is not a list, a page or XML-RPC.
        """
        return cls.body(MAINTENANCE, "text/html; charset=UTF-8")

    @classmethod
    def entity_bomb(cls) -> Fault:
        """Answer with XML that has a DOCTYPE and a billion laughs."""
        return cls.body(_BOMB, "text/xml")

    @classmethod
    def rpc_fault(cls, code: int, text: str) -> Fault:
        """Answer with an XML-RPC fault, HTTP 200 as always."""
        return cls(Kind.RPC_FAULT, code=code, text=text)

    @classmethod
    def rate_limit(cls, seconds: int = 3542) -> Fault:
        """Answer with the fault that is Warehouse's rate limit."""
        left = (("RateLimit", f'"xmlrpc.client";r=0;t={seconds}'),)
        text = rate_limit_text(seconds)
        return cls(Kind.RPC_FAULT, code=-32500, text=text, headers=left)

    @classmethod
    def reset(cls) -> Fault:
        """Reset the connection without an answer."""
        return cls(Kind.RESET)

    @classmethod
    def hang(cls, seconds: float) -> Fault:
        """Say nothing for ``seconds``, then close."""
        return cls(Kind.HANG, seconds=seconds)

    @classmethod
    def delay(cls, seconds: float) -> Fault:
        """Answer rightly, but ``seconds`` late."""
        return cls(Kind.DELAY, seconds=seconds)

    @classmethod
    def drip(cls, seconds: float) -> Fault:
        """Send the right answer in small pieces over ``seconds``."""
        return cls(Kind.DRIP, seconds=seconds)

    @classmethod
    def truncate(cls) -> Fault:
        """Announce the whole body, send half of it and close."""
        return cls(Kind.TRUNCATE)

    @classmethod
    def garbage(cls) -> Fault:
        """Send the right headers with wrong bytes.

        The bytes are invalid as JSON, HTML, XML and UTF-8.
        """
        return cls(Kind.GARBAGE)

    @classmethod
    def content_type(cls, text: str) -> Fault:
        """Send the right body as another content type ("": without one)."""
        return cls(Kind.CONTENT_TYPE, text=text)

    @classmethod
    def empty_list(cls) -> Fault:
        """Send a list of no projects, with the right serial."""
        return cls(Kind.EMPTY_LIST)

    @classmethod
    def half_list(cls) -> Fault:
        """Send a list of every second project, with the right serial (bandersnatch, tuna)."""
        return cls(Kind.HALF_LIST)

    @classmethod
    def empty_page(cls) -> Fault:
        """Send a page without files and versions, with the right serial (section 2, 31)."""
        return cls(Kind.EMPTY_PAGE)

    @classmethod
    def fallback_origin(cls) -> Fault:
        """Send a poorer HTML page: no serial, other order, no requires-python (section 2, 23)."""
        return cls(Kind.FALLBACK)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the fake upstream answered it; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int  # 0: no answer (reset, hang)
    call: str = ""  # the XML-RPC call, as "changelog_since_serial(5)"

    @property
    def project(self) -> str | None:
        """The name in the path of a page request, else None."""
        match = re.fullmatch(r"/simple/([^/?]+)/?(\?.*)?", self.path)
        return match.group(1) if match else None


@dataclass(slots=True)
class _Armed:
    pattern: re.Pattern[str]
    fault: Fault
    times: int | None


@dataclass(eq=False, repr=False)
class Switchboard:
    """The switches of the fake upstream that concern answers and not what is true."""

    page_limit: int = 50_000
    rate_limit: int | None = None  # the n-th call is the first refused; None: no limit
    rate_used: int = 0
    rate_reset: int = 3542  # the seconds that the refusal speaks of
    xmlrpc_status: int | None = None  # every call is refused with this HTTP status
    list_serials: bool = True
    page_serials: bool = True
    html_only: bool = False
    json_only: bool = False
    etags: bool = True
    gzip: bool = True
    api_version: str = "1.4"
    requests: list[Request] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _armed: list[_Armed] = field(default_factory=list)

    def fail(self, path_regex: str, fault: Fault, times: int | None = 1) -> None:
        """Give ``fault`` to the next ``times`` requests whose path matches (None: for ever).

        The pattern is searched in the path with its query, for XML-RPC in the path, a space and
        the call: ``r"^/pypi changelog_last"``. The oldest fault that matches is used first.
        """
        with self.lock:
            self._armed.append(_Armed(re.compile(path_regex), fault, times))

    def heal(self) -> None:
        """Forget all faults."""
        with self.lock:
            self._armed.clear()

    def take_fault(self, target: str) -> Fault | None:
        """Return the fault for a request, counting it down."""
        with self.lock:
            for armed in self._armed:
                if not armed.pattern.search(target):
                    continue
                if armed.times is not None:
                    armed.times -= 1
                    if armed.times <= 0:
                        self._armed.remove(armed)
                return armed.fault
            return None

    def log(self, request: Request) -> None:
        """Keep ``request``."""
        with self.lock:
            self.requests.append(request)

    def clear_log(self) -> None:
        """Forget the requests so far."""
        with self.lock:
            self.requests.clear()

    def page_requests(self, name: str | None = None) -> list[Request]:
        """Return the requests for project pages, or for the page of ``name``."""
        with self.lock:
            found = [r for r in self.requests if r.project is not None]
        return found if name is None else [r for r in found if r.project == name]

    def list_requests(self) -> list[Request]:
        """Return the requests for the list of projects."""
        with self.lock:
            return [r for r in self.requests if r.path.split("?")[0] in ("/simple", "/simple/")]

    def journal_calls(self) -> list[Request]:
        """Return the XML-RPC calls."""
        with self.lock:
            return [r for r in self.requests if r.call]


def rate_limit_text(seconds: int) -> str:
    """Return what Warehouse says when there were too many calls."""
    return (
        "HTTPTooManyRequests: The action could not be performed because there were too many "
        f"requests by the client. Limit may reset in {seconds} seconds."
    )
