"""Passes against answers that are made to fill the memory, to take for ever, or both (R10).

Each is a process of its own with little memory, and a server on loopback.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.raw_server import reply, wire
from yanksync.core.exit_codes import ExitCode

MIB = 1 << 20
MOST = 512 * MIB  # of memory that a pass may need, whatever upstream answers
JSON = "application/vnd.pypi.simple.v1+json"
PAGE = b'{"meta":{"api-version":"1.0","_last-serial":1},"name":"%s","files":[%s]'
FILE = b'{"filename":"%s-1.zip","url":"https://files.example/%s-1.zip","hashes":{}'
XML = b"<?xml version='1.0'?><methodResponse><params><param>"
END = b"</param></params></methodResponse>"
SERIAL = XML + b"<value><int>1</int></value>" + END
ENTRIES = (
    XML + b"<value><array><data><value><array><data><value>good</value><value><nil/></value>"
    b"<value><int>1</int></value><value>create</value><value><int>1</int></value>"
    b"</data></array></value></data></array></value>" + END
)
_PROJECTS = 300_000
Sent = bytes | Iterable[bytes]


def packed(*parts: tuple[bytes, int]) -> bytes:
    """Return gzip of each part repeated up to so many bytes; what is repeated is packed once."""
    engine = zlib.compressobj(6, zlib.DEFLATED, -15)
    out, check, length = [b"\x1f\x8b\x08" + bytes(6) + b"\xff"], 0, 0
    for part, size in parts:
        count = max(size // len(part), 1)
        block = part * min(count, MIB // len(part) + 1)
        whole, rest = divmod(count * len(part), len(block))
        for piece, times in ((block, whole), (block[:rest], 1)):
            # A full flush: what follows does not depend on what stands before.
            out.append((engine.compress(piece) + engine.flush(zlib.Z_FULL_FLUSH)) * times)
            for _ in range(times):
                check = zlib.crc32(piece, check)
            length += len(piece) * times
    end = struct.pack("<II", check, length % 2**32)
    return b"".join([*out, engine.flush(), end])


def page(name: bytes, *parts: tuple[bytes, int], files: bytes = b"") -> bytes:
    """Return a page in JSON that goes on with ``parts``, packed."""
    body = packed((PAGE % (name, files), 1), *parts, (b"}", 1))
    return reply(body, Content_Type=JSON, Content_Encoding="gzip")


def gz(kind: str, *parts: tuple[bytes, int]) -> bytes:
    return reply(packed(*parts), Content_Type=kind, Content_Encoding="gzip")


def html(*parts: tuple[bytes, int]) -> bytes:
    head = b"<!DOCTYPE html><title>bad</title>"
    return gz("text/html", (head, 1), *parts)


def good(name: bytes, *, in_html: bool = False) -> bytes:
    if in_html:
        return html((b'<a href="%s-1.zip">%s-1.zip</a>' % (name, name), 1))
    body = PAGE % (name, FILE % (name, name) + b"}") + b"}"
    return reply(body, Content_Type=JSON)


def listed(names: Iterable[bytes]) -> bytes:
    rows = b",".join(b'{"name":"%s","_last-serial":1}' % name for name in names)
    body = b'{"meta":{"api-version":"1.0","_last-serial":1},"projects":[%s]}' % rows
    return reply(body, Content_Type=JSON)


def endless(head: bytes, piece: bytes = b"x" * MIB, pause: float = 0.0) -> Iterator[bytes]:
    yield head
    while True:
        time.sleep(pause)
        yield piece


class Upstream:
    """Answers with what a test says; anything else is as it should be."""

    def __init__(
        self, *, pages: int = 4, in_html: bool = False, **answers: Callable[[], Sent]
    ) -> None:
        self.answers = answers
        self._in_html = in_html
        self._calls = 0
        self.bad = [f"bad{number}" for number in range(pages)] if "page" in answers else []

    def __call__(self, head: str) -> Sent:
        method, path, _ = head.split(" ", 2)
        if method == "POST":
            self._calls += 1
            said = SERIAL if self._calls == 1 else ENTRIES
            sent = self.answers.get("journal", lambda: reply(said, Content_Type="text/xml"))()
            return iter((sent,)) if isinstance(sent, bytes) else sent  # the connection is closed
        if path == "/simple/":
            names = [name.encode() for name in (*self.bad, "good")]
            return self.answers.get("list", lambda: listed(names))()
        if path.count("/") < 3:  # is another address meant?
            return reply(status="404 Not Found")
        name = path.split("/")[2]
        if name in self.bad:
            return self.answers["page"]()
        return good(name.encode(), in_html=self._in_html)


class Pass:
    """What a pass came to."""

    def __init__(self, where: Path, upstream: Callable[[str], Sent], **keys: object) -> None:
        lines = [f"{key} = {value}" for key, value in keys.items()]
        with wire(upstream) as running:
            text = f"""
                [upstream]
                simple_url = "{running.url()}"
                journal_url = "{running.url("pypi")}"
                stale_retry = 0
                workers = 4
                journal_interval = 0
                {chr(10).join(lines)}
                [mirror]
                output = "{where}/out"
                state = "{where}/state.db"
                compress = ["gzip"]
            """
            (where / "yanksync.toml").write_text(text)
            command = [sys.executable, "-m", "yanksync", "--config", f"{where}/yanksync.toml"]
            done = subprocess.run(
                [sys.executable, "-c", _MEASURED, str(MOST), f"{where}/peak", *command, "sync"],
                stderr=subprocess.PIPE,
                env={**os.environ, "MALLOC_ARENA_MAX": "1"},
                check=False,
            )
        self.told, self.code = done.stderr.decode(), done.returncode
        self.peak = int((where / "peak").read_text()) * 1024
        self.published = {path.name for path in (where / "out/simple").glob("*/")}


# A process counts the memory of the one that forked it as its own, so a small one forks it. It gets
# twice the memory that it may use: the limit counts what is only reserved.
_MEASURED = """
import os, resource, sys
most, where, *command = sys.argv[1:]
pid = os.fork()
if pid == 0:
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_AS, (2 * int(most), 2 * int(most)))
    os.execv(command[0], command)
_, status, usage = os.wait4(pid, 0)
with open(where, "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def unique(form: bytes, size: int) -> bytes:
    """Return ``form`` with ever other numbers in it, ``size`` bytes."""
    number = size // (len(form % 0) + 6) + 1
    return b"".join([form % (1_000_000 + count) for count in range(number)])


PAGES: dict[str, Callable[[], Sent]] = {
    "blanks": lambda: page(b"bad0", (b" ", 31 * MIB)),
    "lists": lambda: page(b"bad0", (b',"x":[[]', 1), (b",[]", 31 * MIB), (b"]", 1)),
    "lists beside a lone surrogate": lambda: page(
        b"bad0", (b',"s":"\\ud800","x":[[]', 1), (b",[]", 31 * MIB), (b"]", 1)
    ),
    "objects in a field": lambda: page(
        b"bad0", files=FILE % (b"bad0", b"bad0") + b',"size":[0' + b',{"a":0}' * 4_000_000 + b"]}"
    ),
    "files that are none": lambda: page(b"bad0", files=b"{}" + b",{}" * 10_000_000),
    "too large": lambda: page(b"bad0", (b" ", 33 * MIB)),
    "much too large": lambda: page(b"bad0", (b" ", 1024 * MIB)),
    "too large on the wire": lambda: reply(b" " * (33 * MIB), Content_Type=JSON),
    "endless": lambda: endless(b"HTTP/1.1 200 OK\r\nContent-Type: " + JSON.encode() + b"\r\n\r\n"),
    "members": lambda: reply(
        zlib.compress(b"", wbits=31) * 100_000, Content_Type=JSON, Content_Encoding="gzip"
    ),
    "a redirect of no end": lambda: endless(b"HTTP/1.1 302 Found\r\nLocation: /x/\r\n\r\n"),
    "an error of no end": lambda: endless(b"HTTP/1.1 500 Oops\r\n\r\n"),
    "404 of no end": lambda: endless(b"HTTP/1.1 404 Gone\r\n\r\n"),
    "headers": lambda: b"HTTP/1.1 200 OK\r\n" + (b"a: " + b"b" * 65_000 + b"\r\n") * 2_000,
    "a header of no end": lambda: endless(b"HTTP/1.1 200 OK\r\na: "),
}
HTML = {
    "links": lambda: html((b"<a href=b>b</a>", 31 * MIB)),
    "attributes": lambda: html((b"<a href=x ", 1), (unique(b"a%d ", 31 * MIB), 1), (b">", 1)),
    "tags": lambda: html((b"<a href=x.zip data-yanked a b c>x.zip</a>", 16 * MIB)),
    "a text": lambda: html((b"x ", 31 * MIB)),
    "a comment": lambda: html((b"<!-- > ", 31 * MIB)),
    "titles": lambda: html((b"<h1>", 12 * MIB)),
    "pieces of a link's text": lambda: html((b"<a href=x>", 1), (b"ab<b>", 31 * MIB)),
    "metas": lambda: html((unique(b"<meta name=a%d>", 8 * MIB), 1)),
    "punycode": lambda: gz("text/html; charset=punycode", (b"<a href=x>", 1), (b"a", 8 * MIB)),
}
LISTS: dict[str, Callable[[], Sent]] = {
    "nested lists": lambda: gz(JSON, (b'{"projects":[[]', 1), (b",[]", 255 * MIB), (b"]}", 1)),
    "a meta of lists": lambda: gz(
        JSON, (b'{"projects":[],"meta":{"api-version":[[]', 1), (b",[]", 255 * MIB), (b"]}}", 1)
    ),
    "rows": lambda: gz(
        JSON, (b'{"meta":{},"projects":[{"name":"a"}', 1), (b',{"name":"a"}', 255 * MIB), (b"]}", 1)
    ),
    "ends that are none": lambda: gz(
        JSON, (b'{"meta":{},"projects":[{"name":"', 1), (b"},", 255 * MIB), (b'"}]}', 1)
    ),
    "too large": lambda: gz(JSON, (b" ", 2048 * MIB)),
    "a redirect of no end": lambda: endless(b"HTTP/1.1 302 Found\r\nLocation: /simple/\r\n\r\n"),
    "text": lambda: html((b"x ", 127 * MIB)),
    "wide text": lambda: html(("😀 <p>".encode(), 24 * MIB)),
}
JOURNALS: dict[str, Callable[[], Sent]] = {
    "values": lambda: gz("text/xml", (XML, 1), (b"<value/>", 255 * MIB)),
    "lists": lambda: gz("text/xml", (XML, 1), (b"<value><array>", 255 * MIB)),
    "text": lambda: gz("text/xml", (XML + b"<value>", 1), ("😀".encode(), 255 * MIB)),
    "an attribute": lambda: gz("text/xml", (XML + b"<value x='", 1), (b">", 255 * MIB)),
    "a comment": lambda: gz("text/xml", (XML + b"<!-- ", 1), (b"> ", 255 * MIB)),
    "members": lambda: reply(
        zlib.compress(b"", wbits=31) * 400_000, Content_Type="text/xml", Content_Encoding="gzip"
    ),
    "too large": lambda: gz("text/xml", (b" ", 2048 * MIB)),
    "plain": lambda: reply(XML + b"<value>" + b"x" * (200 * MIB), Content_Type="text/xml"),
    "a redirect of no end": lambda: endless(b"HTTP/1.1 302 Found\r\nLocation: /pypi\r\n\r\n"),
    "headers": lambda: b"HTTP/1.1 200 OK\r\n" + (b"a: " + b"b" * 65_000 + b"\r\n") * 2_000,
}


def check(came: Pass) -> None:
    assert came.peak < MOST
    assert "Traceback" not in came.told and "internal error" not in came.told
    assert came.code in (ExitCode.PARTIAL, ExitCode.FAILED) and came.told


def kept(sent: Callable[[], Sent]) -> Callable[[], Sent]:
    """Make an answer of bytes once."""
    answer = sent()
    return sent if not isinstance(answer, bytes) else lambda: answer


@pytest.mark.parametrize("sent", PAGES.values(), ids=PAGES)
def test_pages(sent: Callable[[], Sent], tmp_path: Path) -> None:
    came = Pass(tmp_path, Upstream(page=kept(sent)))
    check(came)
    assert "good" in came.published


def test_many_pages_at_once(tmp_path: Path) -> None:
    blank = page(b"bad0", (b" ", 31 * MIB))
    check(Pass(tmp_path, Upstream(pages=12, page=lambda: blank)))


@pytest.mark.parametrize("end", ["", "😀"], ids=["narrow", "wide"])
def test_reasons_that_grow_when_they_are_written(tmp_path: Path, end: str) -> None:
    reason = b"'" * (MIB - 200) + end.encode()  # five bytes each in HTML
    files = (
        b'{"filename":"bad0-%d.zip","url":"https://files.example/bad0-%d.zip","hashes":{},'
        b'"yanked":"%s"}' % (number, number, reason)
        for number in range(31)
    )
    whole = (PAGE + b"}") % (b"bad0", b",".join(files))
    sent = reply(packed((whole, 1)), Content_Type=JSON, Content_Encoding="gzip")
    came = Pass(tmp_path, Upstream(pages=1, page=lambda: sent))
    assert came.peak < MOST
    assert (came.code, came.told, came.published) == (ExitCode.DONE, "", {"bad0", "good"})


def test_a_head_that_drips_is_given_up(tmp_path: Path) -> None:
    def drip() -> Iterator[bytes]:
        return endless(b"HTTP/1.1 200 OK\r\na: ", b"b", 0.02)

    came = Pass(tmp_path, Upstream(page=drip), timeout=0.5)
    check(came)
    assert "longer than 10 s" in came.told and "good" in came.published


@pytest.mark.parametrize("sent", HTML.values(), ids=HTML)
def test_html_pages(sent: Callable[[], Sent], tmp_path: Path) -> None:
    names = ["bad0", "good"]
    index = "".join(f'<a href="{name}/">{name}</a>' for name in names).encode()
    check(Pass(tmp_path, Upstream(in_html=True, page=kept(sent), list=lambda: html((index, 1)))))


@pytest.mark.parametrize("sent", LISTS.values(), ids=LISTS)
def test_lists(sent: Callable[[], Sent], tmp_path: Path) -> None:
    check(Pass(tmp_path, Upstream(list=kept(sent))))


@pytest.mark.parametrize("sent", JOURNALS.values(), ids=JOURNALS)
def test_journals(sent: Callable[[], Sent], tmp_path: Path) -> None:
    assert Pass(tmp_path, Upstream()).code == ExitCode.DONE
    came = Pass(tmp_path, Upstream(journal=kept(sent)))
    check(came)
    assert came.published == {"good"}


def test_a_list_of_many_links(tmp_path: Path) -> None:
    came = Pass(tmp_path, Upstream(list=kept(lambda: html((b"<a href=b>b</a>", 4 * MIB)))))
    assert (came.code, came.told) == (ExitCode.DONE, "")
    # At most six bytes for each byte of the list. So five million links, the most there may be,
    # need less than MOST.
    assert came.peak < (36 + 4 * 6) * MIB


def test_a_list_of_many_projects(tmp_path: Path) -> None:
    rows = b",".join(
        b'{"_last-serial":%d,"name":"Project.%d-of-many"}' % (number, number)
        for number in range(_PROJECTS)
    )
    body = b'{"meta":{"api-version":"1.4","_last-serial":1000000},"projects":[%s]}' % rows
    whole = Upstream(list=lambda: gz(JSON, (body, 1)))

    def upstream(head: str) -> Sent:
        if head.startswith("GET /simple/project-"):
            return reply(status="429 Too Many Requests", Retry_After="4000")
        return whole(head)

    came = Pass(tmp_path, upstream)
    assert came.peak < 128 * MIB
    assert came.code in (
        ExitCode.PARTIAL,
        ExitCode.FAILED,
    )  # 1: a small disk has no room for so many projects
    with closing(sqlite3.connect(tmp_path / "state.db")) as state:
        assert state.execute("SELECT count(*) FROM projects").fetchone() == (_PROJECTS,)
