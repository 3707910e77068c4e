"""An address that is no index: the likely right one is named, whatever was asked first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.raw_server import reply, wire

NAMED = "projects = ['demo']"


@pytest.mark.parametrize(
    ("path", "journal", "mirror"),
    [
        ("", "auto", ""),
        ("", "auto", NAMED),
        ("", "none", NAMED),
        ("simple/demo/", "auto", ""),
        ("simple/demo", "auto", NAMED),
        ("simple/demo/", "xmlrpc", ""),
        ("pypi/", "auto", ""),
        ("elsewhere/", "xmlrpc", NAMED),
    ],
)
def test_the_index_that_was_meant_is_named(
    yanksync: Cli, served: Served, path: str, journal: str, mirror: str
) -> None:
    address = f'simple_url = "{served.root_url}{path}"\njournal = "{journal}"'
    yanksync.configure(address, mirror=mirror)
    done = yanksync("sync")
    assert done.code == 1
    assert f"{served.simple_url} is a package index" in done.err
    assert "set upstream.simple_url to it" in done.err
    assert not list(yanksync.output.glob("simple/*"))


LISTED = b'{"meta": {"api-version": "1.1"}, "projects": [{"name": "demo"}]}'
JSON_LIST = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.pypi.simple.v1+json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(LISTED), LISTED)
)


def test_https_is_named_where_http_was_written(yanksync: Cli, tmp_path: Path) -> None:
    certificates.found(tmp_path)
    context = certificates.made_by(tmp_path, "IP:127.0.0.1")
    with wire(lambda head: JSON_LIST, context) as running:
        yanksync.configure(f'simple_url = "{running.url()}"')
        done = yanksync("sync", REQUESTS_CA_BUNDLE=str(tmp_path / "ca.pem"))
        assert done.code == 1
        https = running.url().replace("http:", "https:")
        assert f"{https} is a package index" in done.err


def test_http_is_named_where_https_was_written(yanksync: Cli, served: Served) -> None:
    yanksync.configure(f'simple_url = "{served.simple_url.replace("http:", "https:")}"')
    done = yanksync("sync")
    assert done.code == 1
    why = "the server has no TLS at this port; if plain http is meant, write http://"
    assert done.err.endswith(f"/pypi: {why}\n")


@pytest.mark.parametrize("journal", ["auto", "xmlrpc"])
def test_http_that_redirects_to_https_is_recognised(
    yanksync: Cli, tmp_path: Path, journal: str
) -> None:
    certificates.found(tmp_path)
    context = certificates.made_by(tmp_path, "IP:127.0.0.1")
    with wire(lambda head: JSON_LIST, context) as secure:
        https = secure.url().replace("http:", "https:")

        def redirect(head: str) -> bytes:
            path = head.split()[1].lstrip("/")
            return reply(status="301 Moved Permanently", location=https.replace("simple/", path))

        with wire(redirect) as plain:
            yanksync.configure(f'simple_url = "{plain.url()}"\njournal = "{journal}"')
            done = yanksync("sync", REQUESTS_CA_BUNDLE=str(tmp_path / "ca.pem"))
    assert done.code == 1
    assert f"it has moved to {https.replace('simple/', 'pypi')}, which is not followed" in done.err
    assert f"{https} is a package index: if you mean that one, set upstream.simple_url" in done.err
    assert not list(yanksync.output.glob("simple/*"))


def test_no_address_of_another_host_is_tried(yanksync: Cli) -> None:
    with wire(lambda head: JSON_LIST) as other:
        elsewhere = other.url().replace("127.0.0.1", "localhost")
        with wire(lambda head: reply(status="302 Found", location=elsewhere)) as plain:
            yanksync.configure(f'simple_url = "{plain.url()}"')
            done = yanksync("sync")
        assert done.code == 1 and "is a package index" not in done.err
        assert other.paths() == []


def test_credentials_are_not_sent_to_another_scheme(yanksync: Cli, tmp_path: Path) -> None:
    certificates.found(tmp_path)
    context = certificates.made_by(tmp_path, "IP:127.0.0.1")
    heads: list[str] = []

    def answer(head: str) -> bytes:
        heads.append(head)
        return JSON_LIST

    with wire(answer, context) as running:
        with_password = running.url().replace("http://", "http://me:hush@")
        yanksync.configure(f'simple_url = "{with_password}"')
        done = yanksync("sync", REQUESTS_CA_BUNDLE=str(tmp_path / "ca.pem"))
    assert "is a package index" in done.err and "hush" not in done.err
    assert heads
    assert "authorization" not in "".join(heads).lower()


def test_https_is_named_where_plain_http_is_not_allowed(yanksync: Cli) -> None:
    yanksync.configure('simple_url = "http://me:hush@upstream.example/simple/"')
    done = yanksync("sync")
    assert done.code == 2 and "hush" not in done.err
    assert "write https://***@upstream.example/simple/" in done.err


def test_an_address_that_is_right_is_not_doubted(
    yanksync: Cli, upstream: FakeUpstream, served: Served
) -> None:
    upstream.fail("/simple/", Fault.status(404))
    done = yanksync("sync")
    assert done.code == 1
    assert "is a package index" not in done.err


def test_no_address_is_tried_once_something_is_published(
    synced: Cli, upstream: FakeUpstream
) -> None:
    upstream.fail("/simple/", Fault.garbage())
    upstream.requests.clear()
    assert synced("full-resync").code == 1
    assert {asked.path for asked in upstream.requests} <= {"/pypi", "/simple/"}


def test_a_new_address_is_reported_with_the_old_one(synced: Cli, upstream: FakeUpstream) -> None:
    old = synced("status", "--json").json["upstream"]
    with serve(upstream) as second, serve(FakeUpstream()) as third:
        new = f"upstream.simple_url is {second.simple_url} now, it was {old}"
        synced.configure(f'simple_url = "{second.simple_url}"')
        upstream.fail("^/", Fault.status(503))
        stopped = synced("sync")
        assert stopped.code == 1
        assert f"warning: {new}; it is not known yet whether both are the same index" in stopped.err
        done = synced("-v", "sync")
        assert done.code == 0
        assert f"info: {new}; its journal is the one followed so far\n" in done.err
        synced.configure(f'simple_url = "{third.simple_url}"')
        held = synced("sync")
        assert held.code == 4
        other = f"upstream.simple_url is {third.simple_url} now, it was {second.simple_url}, and "
        assert other in held.err and other in synced("holds").out
        synced.configure(f'simple_url = "{old}"')
        assert synced("sync").silent  # the same journal again


def test_an_address_that_gave_nothing_is_replaced_and_reported(
    yanksync: Cli, served: Served
) -> None:
    with serve(FakeUpstream()) as empty:
        yanksync.configure(f'simple_url = "{empty.simple_url}"', mirror="projects = ['demo']")
        assert yanksync("sync").code == 1
        yanksync.configure(f'simple_url = "{served.simple_url}"', mirror="projects = ['demo']")
        done = yanksync("sync", "-v")
    assert done.code == 0
    assert f"is {served.simple_url} now, it was {empty.simple_url}; nothing is pub" in done.err
