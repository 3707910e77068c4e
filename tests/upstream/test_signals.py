"""A signal ends a pass, also in a function that a library of C calls.

Such a library gets what the handler raises, and must hand it on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from yanksync.core.formats.html.elements import read_html
from yanksync.system.signals import Terminated
from yanksync.upstream.http.http1_parser import ResponseParser
from yanksync.upstream.xmlrpc_codec import decode_response

_PAGE = b'<title>demo</title><a href="demo-1.0.tar.gz">demo-1.0.tar.gz</a>'
_ANSWER = b"HTTP/1.1 200 OK\r\nETag: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndemo\r\n0\r\n\r\n"
_ROWS = (
    b"<methodResponse><params><param><value><string>demo</string></value></param></params>"
    b"</methodResponse>"
)


@pytest.fixture(autouse=True)
def profile() -> Iterator[None]:
    """Leave the profile function as it was."""
    before = sys.getprofile()
    yield
    sys.setprofile(before)


def _terminate_in(name: str) -> None:
    """Raise what the handler of a signal raises, once a function of this name begins."""

    def signal_comes(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == name:
            raise Terminated(15)

    sys.setprofile(signal_comes)


@pytest.mark.parametrize(
    ("read", "function"),
    [
        (lambda: ResponseParser(9).feed(_ANSWER), "on_message_begin"),
        (lambda: ResponseParser(9).feed(_ANSWER), "on_status"),
        (lambda: ResponseParser(9).feed(_ANSWER), "on_header"),
        (lambda: ResponseParser(9).feed(_ANSWER), "on_headers_complete"),
        (lambda: ResponseParser(9).feed(_ANSWER), "on_body"),
        (lambda: ResponseParser(9).feed(_ANSWER), "on_message_complete"),
        (lambda: read_html(_PAGE, "text/html"), "start"),
        (lambda: read_html(_PAGE, "text/html"), "end"),
        (lambda: read_html(_PAGE, "text/html"), "data"),
        (lambda: decode_response(_ROWS), "start"),
        (lambda: decode_response(_ROWS), "end"),
        (lambda: decode_response(_ROWS), "text"),
    ],
)
def test_a_signal_counts_in_a_callback(read: Callable[[], object], function: str) -> None:
    assert read()
    _terminate_in(function)
    with pytest.raises(Terminated):
        read()
