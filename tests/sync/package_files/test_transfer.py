"""Files are received from raw hosts: continued, restarted, cut off, and checked."""

from __future__ import annotations

import gzip
import hashlib
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.support.file_host import BODY, ETAG, FileHost
from tests.support.raw_server import Wire, dripping, reply, wire
from yanksync.config.load import load
from yanksync.core.errors import (
    InvalidAnswer,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from yanksync.output.disk.package_files import DiskPackages
from yanksync.sync.package_files.limits import Bandwidth, LimitReached, Room
from yanksync.sync.package_files.transfer import Stopped, Transfers, Wanted
from yanksync.upstream.file_download import FileDownloads

PATH = "packages/aa/bb/cc/demo-1.0.tar.gz"


class Site(Struct):
    """A directory that receives the file of a host."""

    host: FileHost
    wire: Wire
    where: Path
    flags: dict[str, Any]

    def receive(self, **wanted: Any) -> int:
        """Receive the file; return its size."""
        settings = load(
            None,
            {},
            mirror_output=str(self.where / "out"),
            mirror_files="copy",
            **{"upstream_simple_url": self.wire.url(), **self.flags},
        )
        (self.where / "out").mkdir(exist_ok=True)
        stopped = threading.Event()
        store = self.store
        assert settings.upstream.simple_url is not None
        downloads = FileDownloads(settings, settings.upstream.simple_url)
        room = Room(settings.files, 0, store.free_space)
        bandwidth = Bandwidth(settings.files.bandwidth, stopped.wait)
        transfers = Transfers(downloads, room, bandwidth, stopped)
        if wanted.pop("stopped", False):
            stopped.set()
        try:
            with store.receive(PATH) as incoming:
                transfers.receive(incoming, self.wanted(**wanted))
            store.publish_packages([PATH])
            return incoming.size
        finally:
            downloads.close()
            store.keep_incoming(store.incoming())

    def wanted(self, **wanted: Any) -> Wanted:
        about = {
            "url": self.wire.url("demo-1.0.tar.gz"),
            "digest": hashlib.sha256(BODY).hexdigest(),
            "size": len(BODY),
            **wanted,
        }
        return Wanted(path=PATH, algorithm="sha256", **about)

    @property
    def store(self) -> DiskPackages:
        return DiskPackages(self.where / "out", self.where / "withheld")

    @property
    def copy(self) -> bytes | None:
        place = self.where / "out" / PATH
        return place.read_bytes() if place.exists() else None

    @property
    def left(self) -> list[str]:
        """The received files, by name."""
        place = self.where / "out/packages/.incoming"
        return sorted(path.name for path in place.iterdir()) if place.exists() else []

    def fails(self, kind: type[Exception], **wanted: Any) -> str:
        """Receive the file in vain; return the message."""
        with pytest.raises(kind) as caught:
            self.receive(**wanted)
        assert self.copy is None
        return str(caught.value)

    def header(self, name: str) -> list[str | None]:
        """Return a header of each request."""
        found = []
        for head in self.wire.heads:
            lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            found.append(lines.get(name))
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    host = FileHost()
    with wire(host) as running:
        yield Site(host, running, tmp_path, {"upstream_timeout": "5", "files_free_space": "0"})


def test_a_file_is_received_whole(site: Site) -> None:
    assert site.receive() == len(BODY)
    assert (site.copy, site.left) == (BODY, [])
    assert site.header("Accept-Encoding") == ["identity"]
    assert site.header("Range") == [None]


@pytest.mark.parametrize(
    "headers",
    [{"ETag": '"first"'}, {"Last_Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}],
    ids=lambda one: next(iter(one)),
)
def test_a_cut_transfer_is_continued(site: Site, headers: dict[str, str]) -> None:
    site.host.headers = headers
    site.host.odd = [site.host.cut(70_000)]
    assert "cut off" in site.fails(UpstreamUnreachable)
    assert len(site.left) == 2
    assert site.receive() == len(BODY)
    assert (site.copy, site.left) == (BODY, [])
    assert site.header("Range") == [None, "bytes=70000-"]
    assert site.header("If-Range") == [None, *headers.values()]


def test_a_part_of_a_host_without_validators_is_dropped(site: Site) -> None:
    site.host.headers = {"ETag": 'W/"weak"'}
    site.host.odd = [site.host.cut(70_000)]
    site.fails(UpstreamUnreachable)
    assert site.left == []
    assert site.receive() == len(BODY)
    assert site.header("Range") == [None, None]


def test_a_file_that_changed_meanwhile_is_received_from_its_start(site: Site) -> None:
    site.host.odd = [site.host.cut(70_000)]
    site.fails(UpstreamUnreachable)
    site.host.headers = {"ETag": '"the-second"'}
    assert site.receive() == len(BODY)
    assert site.copy == BODY


def test_a_host_that_ignores_ranges_sends_the_file_from_its_start(site: Site) -> None:
    site.host.odd = [site.host.cut(70_000), lambda _: reply(BODY, ETag=ETAG)]
    site.fails(UpstreamUnreachable)
    assert site.receive() == len(BODY)
    assert (site.copy, site.left) == (BODY, [])
    assert site.header("Range") == [None, "bytes=70000-"]


def test_a_part_and_a_rest_of_another_file_are_received_again(site: Site) -> None:
    """The host changed the file and kept its ETag."""
    site.host.body = bytes(len(BODY))
    site.host.odd = [site.host.cut(70_000)]
    site.fails(UpstreamUnreachable)
    site.host.body = BODY
    assert site.receive() == len(BODY)
    assert (site.copy, site.left) == (BODY, [])
    assert site.header("Range") == [None, "bytes=70000-", None]


def test_a_file_that_its_host_calls_compressed_is_taken_as_it_is_sent(site: Site) -> None:
    """Some hosts say so of each name that ends in .gz."""
    site.host.headers = {"Content_Encoding": "gzip"}
    assert site.receive() == len(BODY)
    assert site.copy == BODY


@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_file_that_was_compressed_on_its_way_is_not_taken(site: Site, size: int | None) -> None:
    site.host.body, site.host.headers = gzip.compress(BODY), {"Content_Encoding": "gzip"}
    assert site.fails(InvalidAnswer, size=size)
    assert site.left == []


@pytest.mark.parametrize(
    "answer",
    [
        lambda host: host.part(10),
        lambda host: reply(b"x" * 10, "206 Partial Content"),
        lambda host: reply(b"x" * 10, "206 Partial Content", Content_Range="bytes ?/?"),
        lambda host: reply(b"", "416 Range Not Satisfiable", Content_Range="bytes */102400"),
    ],
    ids=["other start", "no range", "bad range", "416"],
)
def test_a_wrong_part_is_asked_for_from_the_start(site: Site, answer: Any) -> None:
    site.host.odd = [site.host.cut(70_000), lambda _: answer(site.host)]
    site.fails(UpstreamUnreachable)
    assert site.receive() == len(BODY)
    assert site.copy == BODY
    assert site.header("Range") == [None, "bytes=70000-", None]


def test_a_part_that_was_damaged_on_disk_is_received_again(site: Site) -> None:
    site.host.odd = [site.host.cut(70_000)]
    site.fails(UpstreamUnreachable)
    part = site.where / "out/packages/.incoming" / site.left[0]
    part.write_bytes(b"x" + part.read_bytes()[1:])
    assert site.receive() == len(BODY)
    assert site.copy == BODY


def test_a_complete_part_is_not_asked_for(site: Site) -> None:
    site.host.odd = [site.host.cut(70_000)]
    site.fails(UpstreamUnreachable)
    (site.where / "out/packages/.incoming" / site.left[0]).write_bytes(BODY)
    assert site.receive() == len(BODY)
    assert len(site.wire.heads) == 1


def test_the_note_of_a_part_may_be_damaged(site: Site) -> None:
    site.host.odd = [site.host.cut(70_000)]
    site.fails(UpstreamUnreachable)
    (site.where / "out/packages/.incoming" / site.left[1]).write_bytes(b"[")
    assert site.receive() == len(BODY)
    assert (site.copy, site.left) == (BODY, [])


def test_other_bytes_are_dropped(site: Site) -> None:
    site.host.body = BODY[:-1] + b"x"
    assert "its sha256 is not that of the page" in site.fails(InvalidAnswer)
    assert site.left == []


@pytest.mark.parametrize("body", [BODY + b"x", BODY[:-1]], ids=["longer", "shorter"])
def test_a_file_of_another_size_is_not_read(site: Site, body: bytes) -> None:
    site.host.body = body
    expected = f"has {len(body)} bytes, and the page says {len(BODY)}"
    assert expected in site.fails(InvalidAnswer)
    assert site.left == []


def test_a_file_that_does_not_end_is_cut_off(site: Site) -> None:
    def endless(head: str) -> list[bytes]:
        return [b"HTTP/1.1 200 OK\r\n\r\n", BODY, b"x" * 1000, b"x" * 1000]

    site.host.odd = [endless]
    assert "more than the" in site.fails(InvalidAnswer)
    assert site.left == []


def test_a_short_file_without_a_length_is_a_broken_transfer(site: Site) -> None:
    site.host.odd = [lambda _: [b'HTTP/1.1 200 OK\r\nETag: "the-first"\r\n\r\n', BODY[:1000]]]
    assert "cut off" in site.fails(UpstreamUnreachable)
    assert site.receive() == len(BODY)
    assert site.header("Range") == [None, "bytes=1000-"]


def test_a_file_of_unknown_size_has_the_size_that_comes(site: Site) -> None:
    assert site.receive(size=None) == len(BODY)


def test_more_than_is_allowed_is_refused(site: Site) -> None:
    assert "more than 1000 bytes" in site.fails(InvalidAnswer, size=None, most=1000)


def test_a_drip_ends(site: Site) -> None:
    site.flags["upstream_timeout"] = "0.2"
    with wire(lambda _: dripping(1000, 0.02)) as slow:
        message = site.fails(UpstreamUnreachable, url=slow.url("demo-1.0.tar.gz"), size=None)
    assert "too slowly" in message


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(b"", "404 Not Found"), UpstreamRefused),
        (reply(b"", "403 Forbidden"), UpstreamRefused),
        (reply(b"", "304 Not Modified"), UpstreamRefused),
        (reply(b"", "500 Internal Server Error"), UpstreamUnreachable),
        (reply(b"", "503 Service Unavailable"), UpstreamUnreachable),
        (reply(b"", "429 Too Many Requests", Retry_After="7"), RateLimited),
        (reply(b"x", "206 Partial Content"), InvalidAnswer),
        (reply(b"", "302 Found"), InvalidAnswer),
        (reply(b"", "302 Found", Location="ftp://files.example/x"), InvalidAnswer),
        (reply(b"", "302 Found", Location="http://files.example/x"), InvalidAnswer),
        (b"nonsense\r\n\r\n", UpstreamUnreachable),
    ],
)
def test_an_answer_without_a_file_says_why(
    site: Site, answer: bytes, kind: type[UpstreamError]
) -> None:
    site.host.odd = [lambda _: answer] * 2  # a lost connection is tried once more
    assert site.fails(kind)
    assert site.left == []


def test_redirects_lead_to_other_hosts_without_credentials(site: Site) -> None:
    site.flags["upstream_simple_url"] = site.wire.url(userinfo="user:secret@")
    with wire(FileHost()) as other:
        target = other.url("elsewhere")
        site.host.odd = [lambda _: reply(b"", "302 Found", Location=target)]
        assert site.receive() == len(BODY)
        assert site.header("Authorization") == ["Basic dXNlcjpzZWNyZXQ="]
        assert "Authorization" not in other.heads[0]


def test_a_file_on_another_host_gets_no_credentials_of_the_index(site: Site) -> None:
    site.flags["upstream_simple_url"] = site.wire.url(userinfo="user:secret@")
    with wire(FileHost()) as other:
        assert site.receive(url=other.url("demo-1.0.tar.gz")) == len(BODY)
        assert "Authorization" not in other.heads[0]


def test_redirects_in_a_circle_end(site: Site) -> None:
    site.host.odd = [lambda _: reply(b"", "302 Found", Location="/again")] * 10
    assert "more than 5 redirects" in site.fails(InvalidAnswer)


def test_a_file_beyond_the_budget_is_not_asked_for(site: Site) -> None:
    site.flags["files_budget"] = str(len(BODY) - 1)
    assert "files.budget" in site.fails(LimitReached)
    assert site.wire.heads == []


def test_a_file_of_unknown_size_ends_at_the_budget(site: Site) -> None:
    site.flags["files_budget"] = str(len(BODY) - 1)
    assert "files.budget" in site.fails(LimitReached, size=None)
    assert site.left == []


@pytest.mark.parametrize("size", [len(BODY), None])
def test_the_floor_of_free_space_is_kept(site: Site, size: int | None) -> None:
    site.flags["files_free_space"] = "900TiB"
    assert "files.free_space" in site.fails(LimitReached, size=size)


def test_a_long_file_takes_no_more_memory(site: Site) -> None:
    """That holds as it comes, and as its part is read again."""
    piece, half = bytes(1 << 20), 24
    size, found = 2 * half << 20, hashlib.sha256()
    for _ in range(2 * half):
        found.update(piece)
    where = f"bytes {size // 2}-{size - 1}/{size}"
    site.host.odd = [
        lambda _: [reply_head(size, "200 OK"), *[piece] * half],
        lambda _: [reply_head(size // 2, "206 Partial Content", where), *[piece] * half],
    ]
    tracemalloc.start()
    try:
        site.fails(UpstreamUnreachable, size=size, digest=found.hexdigest())
        assert site.receive(size=size, digest=found.hexdigest()) == size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert site.header("Range") == [None, f"bytes={size // 2}-"]
    assert peak < 8 << 20


def reply_head(length: int, status: str, where: str = "") -> bytes:
    """Return the head of an answer of ``length`` bytes."""
    return reply(b"", status, ETag=ETAG, Content_Range=where).replace(
        b"Content-Length: 0", b"Content-Length: %d" % length
    )


def test_a_pass_that_is_to_end_keeps_the_part(site: Site) -> None:
    site.fails(Stopped, stopped=True)
    assert site.receive() == len(BODY)
