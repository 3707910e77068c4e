"""The XML-RPC journal of the fake upstream."""

from __future__ import annotations

import re
import xmlrpc.client
from collections.abc import Callable, Sequence
from typing import Any
from xml.parsers.expat import ExpatError

from tests.support.fake_index.faults import rate_limit_text
from tests.support.fake_index.repository import Repository
from tests.support.fake_index.values import Row

_REMOVED = frozenset(
    (
        *("changelog", "list_packages", "package_releases", "release_data", "release_urls"),
        *("search", "system.multicall", "updated_releases", "package_roles", "user_packages"),
    )
)
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Call:
    """One call as it arrived; ``method`` is None where the body is no call at all."""

    def __init__(self, body: bytes) -> None:
        self.method: str | None = None
        self.params: tuple[Any, ...] = ()
        try:
            # Parsed from bytes: the declaration names the encoding.
            self.params, self.method = xmlrpc.client.loads(body, use_builtin_types=True)
        except (ExpatError, xmlrpc.client.Error, ValueError, TypeError, LookupError, KeyError):
            self.method = None

    def __str__(self) -> str:
        if self.method is None:
            return "?"
        return f"{self.method}({', '.join(repr(p) for p in self.params)})"


def answer(upstream: Repository, call: Call) -> tuple[str, list[tuple[str, str]]]:
    """Return the XML that answers ``call``, and the headers for it."""
    if call.method is None:
        return fault(-32700, "parse error; not well formed"), []
    if call.method in _REMOVED:
        return fault(-32500, f"RuntimeError: {call.method} is no longer supported."), []
    known = _METHODS.get(call.method)
    if known is None:
        return fault(-32601, "server error; requested method not found"), []
    refused, headers = _limited(upstream)
    return refused or known(upstream, call.params), headers


def fault(code: int, text: str) -> str:
    """Return a fault as XML; the HTTP status is 200 all the same."""
    return xmlrpc.client.dumps(xmlrpc.client.Fault(code, text), allow_none=True)


def _limited(upstream: Repository) -> tuple[str, list[tuple[str, str]]]:
    """Count the call; return the refusal, if it is one too many, and the headers."""
    upstream.rate_used += 1
    limit = 3600 if upstream.rate_limit is None else upstream.rate_limit
    used = 1 if upstream.rate_limit is None else upstream.rate_used
    headers = [
        ("RateLimit", f'"xmlrpc.client";r={max(0, limit - used)};t={upstream.rate_reset}'),
        ("RateLimit-Policy", f'"xmlrpc.client";q={limit};w=3600'),
    ]
    refused = upstream.rate_limit is not None and used >= limit
    return fault(-32500, rate_limit_text(upstream.rate_reset)) if refused else "", headers


def _last_serial(upstream: Repository, params: Sequence[Any]) -> str:
    """Answer nil on an empty journal."""
    if params:
        return fault(-32602, "client error; 1: Unexpected positional argument")
    return _response(_value(upstream.last_serial or None))


def _since_serial(upstream: Repository, params: Sequence[Any]) -> str:
    """Answer rows; a parameter is an integer and nothing like one."""
    if not params:
        return fault(-32602, "client error; serial: Missing required argument")
    if len(params) > 1:
        return fault(-32602, "client error; 2: Unexpected positional argument")
    serial = params[0]
    if not isinstance(serial, int) or isinstance(serial, bool):
        return fault(-32602, "client error; serial: Input should be a valid integer")
    if not -(2**31) <= serial < 2**31:
        return fault(-32500, "application error")
    return _response(_array(_row(row) for row in upstream.rows_since(serial)))


def _packages(upstream: Repository, params: Sequence[Any]) -> str:
    if params:
        return fault(-32602, "client error; 1: Unexpected positional argument")
    members = "".join(
        f"<member>\n<name>{_text(name)}</name>\n{_value(serial)}</member>\n"
        for name, serial in upstream.displays().items()
    )
    return _response(f"<value><struct>\n{members}</struct></value>\n")


_METHODS: dict[str, Callable[[Repository, Sequence[Any]], str]] = {
    "changelog_last_serial": _last_serial,
    "changelog_since_serial": _since_serial,
    "list_packages_with_serial": _packages,
}


def _row(row: Row) -> str:
    action = None if row.action is None else _clean(row.action)
    values = (row.name, row.version, row.timestamp, action, row.serial)
    return _array(_value(v) for v in values)


def _clean(action: str) -> str:
    """Return an action as Warehouse sends it, references and all."""
    kept = _ILLEGAL.sub("", action)
    return kept.encode("ascii", "xmlcharrefreplace").decode()


def _value(value: str | int | None) -> str:
    if value is None:
        return "<value><nil/></value>\n"
    if isinstance(value, int):
        return f"<value><int>{value}</int></value>\n"
    return f"<value><string>{_text(value)}</string></value>\n"


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _array(values: Any) -> str:
    return f"<value><array><data>\n{''.join(values)}</data></array></value>\n"


def _response(value: str) -> str:
    return (
        "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"
        f"{value}</param>\n</params>\n</methodResponse>\n"
    )
