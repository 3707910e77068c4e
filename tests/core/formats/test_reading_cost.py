"""Reading takes time in proportion to what is read: steps are counted, not seconds."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable

import pytest

from tests.support.builders.upstream_pages import (
    DEMO,
    HTML,
    JSON,
    URL,
    anchor,
    html_body,
    json_body,
    json_file,
)
from yanksync.core.errors import YanksyncError
from yanksync.core.formats.parse import PageRules, parse_list, parse_page
from yanksync.upstream.http.http_answers import BodyDecoder, SizeLimit
from yanksync.upstream.xmlrpc_journal import decode_value

LIMIT = SizeLimit(256 << 20, "upstream.max_list_size")


def page(body: bytes, kind: str = JSON) -> None:
    parse_page(body, kind, URL, DEMO, PageRules())


def listed(rows: str, kind: str = JSON) -> None:
    body = f'{{"meta":{{}},"projects":[{rows}]}}' if kind is JSON else rows
    for _ in parse_list(body.encode(), kind, PageRules()).projects:
        pass


def unpacked(packed: bytes) -> bytes:
    unpacker = BodyDecoder(URL, 200, {"content-encoding": "gzip"}, LIMIT)
    unpacker.feed(packed)
    return unpacker.body()


def rows(number: int) -> bytes:
    row = "<value><array><data>" + "<value><int>%d</int></value>" * 5 + "</data></array></value>"
    values = "".join(row % ((count,) * 5) for count in range(number))
    return (
        "<methodResponse><params><param><value><array><data>"
        f"{values}</data></array></value></param></params></methodResponse>"
    ).encode()


KINDS: dict[str, Callable[[int], object]] = {
    "gzip members": lambda n: unpacked(gzip.compress(b"x") * n),
    "more members than are taken": lambda n: unpacked(gzip.compress(b"") * (n * 40)),
    "files": lambda n: page(json_body(*(json_file(f"demo-{k}.zip") for k in range(n)))),
    "files that are none": lambda n: page(json_body(*range(n))),
    "one file many times": lambda n: page(json_body(*[json_file()] * n)),
    "lone surrogates": lambda n: page(json_body(x=["\ud800"] * n)),
    "links": lambda n: page(html_body(*(anchor("", f"demo-{k}.zip") for k in range(n))), HTML),
    "pieces of a text": lambda n: page(b"<a href=x.zip>" + b"a<b>" * n, HTML),
    "attributes": lambda n: page(b"<a %s>" % b" ".join(b"a%d" % k for k in range(n)), HTML),
    "titles": lambda n: page(b"<h1>a" * n, HTML),
    "punycode": lambda n: page(b"a" * n, "text/html; charset=punycode"),
    "rows": lambda n: listed(",".join(f'{{"name":"a{k}"}}' for k in range(n * 20))),
    "rows with odd serials": lambda n: listed(
        ",".join(f'{{"name":"a{k}","_last-serial":"{k}"}}' for k in range(n * 20))
    ),
    "ends that are none": lambda n: listed('{"name":"' + "},{" * (n * 200) + '"}'),
    "ends in every row": lambda n: listed(",".join(['{"name":"a},{b"}'] * (n * 20))),
    "a list of links": lambda n: listed('<a href="a/">a</a>' * n, HTML),
    "journal rows": lambda n: decode_value(rows(n), URL),
    "lists in lists": lambda n: decode_value(b"<value><array><data>" * n, URL),
}


def steps(read: Callable[[int], object], number: int) -> int:
    """Return how many functions are called while ``number`` things are read."""
    count = 0

    def count_calls(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(count_calls)
    try:
        read(number)
    except YanksyncError:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("read", KINDS.values(), ids=KINDS)
def test_twice_as_much_takes_twice_the_steps(read: Callable[[int], object]) -> None:
    steps(read, 10)  # what is read for the first time imports more
    once, twice = steps(read, 1000), steps(read, 2000)
    assert once > 0 and twice <= 2 * once + 200
