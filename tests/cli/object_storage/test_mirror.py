"""A mirror in object storage, as a user runs it: real processes, a real S3 server, real mishaps."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.bucket_mirrors import FORMS, Mirror
from tests.support.cli_runner import wait_for
from tests.support.fake_index.index import FakeUpstream, Served, wheel
from tests.support.fake_index.values import iso_time
from tests.support.installers import Client
from tests.support.s3_proxy import Mishap, gate, puts, puts_of
from tests.support.s3_servers import Server
from yanksync.config.settings import Bucket
from yanksync.core.layout import PACKET
from yanksync.output.object_storage.bucket import ObjectHeaders
from yanksync.output.object_storage.published_objects import WORKERS

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


def test_a_mirror_from_build_to_removal(mirror: Mirror, upstream: FakeUpstream) -> None:
    assert mirror("sync").silent
    assert sorted(mirror.store.names()) == ["demo", "other"]
    assert mirror.yanked("demo") == {"demo-1.0.tar.gz": False, "demo-2.0.tar.gz": False}
    upstream.yank("demo", "2.0", "broken")
    assert mirror("sync").silent
    assert mirror.yanked("demo")["demo-2.0.tar.gz"] == "broken" and mirror.reasons("demo") == {True}
    upstream.remove_project("other")
    assert mirror("sync").silent
    assert list(mirror.store.names()) == ["demo"]
    assert mirror("verify").silent
    assert not mirror.output.exists()


def test_every_page_has_its_compressed_copies(mirror: Mirror, upstream: FakeUpstream) -> None:
    upstream.upload("small", "1.0", requires_python=None)
    assert mirror("sync").silent
    for name in (None, "small"):
        for form in FORMS:
            page, copy = mirror.store.read(name, form), mirror.store.read(name, f"{form}.gz")
            assert page is not None and copy is not None
            assert len(page) < PACKET and gzip.decompress(copy) == page
    assert mirror("verify").silent


def test_what_followers_read_comes_and_goes(mirror: Mirror, upstream: FakeUpstream) -> None:
    name = "index.legacy_json"
    mirror.settle("legacy_json = true\nlist_interval = 0")
    upstream.yank("demo", "2.0", "broken")
    assert mirror("sync").silent
    for project, known in (("demo", b'"yanked_reason":"broken"'), (None, b'"demo":')):
        assert known in (mirror.store.read(project, name) or b"")
        found = mirror.objects.get(f"simple/{project or ''}/{name}".replace("//", "/"))
        assert found is not None
        assert (found.headers.type, found.headers.cache) == ("application/json", "no-cache")
    assert mirror("verify").silent
    mirror.settle()
    assert mirror("sync").silent
    assert mirror.store.read("demo", name) is None and mirror.store.read(None, name) is None
    assert mirror.yanked("demo")["demo-2.0.tar.gz"] == "broken" and mirror.reasons("demo") == {True}
    assert mirror("verify").silent


def test_a_lost_state_adopts_what_is_in_the_bucket(mirror: Mirror, upstream: FakeUpstream) -> None:
    assert mirror("sync").silent
    upstream.yank("demo", "2.0", "broken")
    upstream.upload("gone", "1.0")
    assert mirror("sync").silent
    for path in mirror.home.glob("yanksync.db*"):
        path.unlink()
    upstream.yank("other", "1.0", "broken")
    upstream.remove_project("gone")
    mirror.gate.forget()
    said = mirror("adopt", "--json").json
    assert (said["kept"], said["fetch"], said["gone"]) == (1, 1, 1)
    assert said["rewritten"] == said["foreign"] == 0
    assert [request for request in mirror.gate.requests if request[0] == "PUT"] == []
    assert mirror("sync").silent
    assert mirror.yanked("demo")["demo-2.0.tar.gz"] == "broken"
    assert mirror.reasons("other") == {True}
    assert sorted(mirror.store.names()) == ["demo", "other"]
    assert mirror("verify").silent
    assert mirror("adopt", str(mirror.home)).code == 2


def test_an_empty_pass_asks_the_storage_once(mirror: Mirror) -> None:
    assert mirror("sync").silent
    mirror.gate.forget()
    assert mirror("sync").silent
    assert mirror.gate.requests == [
        ("GET", f"/mirror/{mirror.place.prefix}/simple/index.v1_json")  # is it newer than the state
    ]
    assert mirror.gate.headers[0]["range"] == "bytes=0-511"
    mirror.gate.forget()
    for command in ("status", "history", "holds"):
        assert mirror(command).code == 0
    assert mirror.gate.requests == []


@pytest.mark.parametrize("mishap", [Mishap.SLOW_DOWN, Mishap.DENIED, Mishap.HANG, Mishap.CUT])
def test_a_mishap_in_mid_batch_leaves_it_unpublished(
    mirror: Mirror, upstream: FakeUpstream, mishap: Mishap
) -> None:
    mirror.settle(timeout="1s")
    assert mirror("sync").silent
    for name in ("demo", "other"):
        upstream.yank(name, "1.0", "broken")
    mirror.gate.when(mishap, puts_of("demo"), skip=2)  # the forms are put one after the other
    done = mirror("sync")
    assert done.code == 1 and f"demo: not published: {mirror.place.root}/" in done.err
    assert mirror.reasons("other") == {True}
    told = mirror("status", "--json").json
    assert (told["unpublished"], told["pending"]) == (1, 0)
    assert "testsecret" not in done.err
    mirror.gate.heal()
    upstream.clear_log()
    assert mirror("sync").silent
    assert mirror.reasons("demo") == {True}
    assert mirror("status", "--json").json["unpublished"] == 0
    assert upstream.page_requests() == []  # the state had it all
    assert mirror("verify").silent


@pytest.mark.parametrize("mishap", [Mishap.SLOW_DOWN, Mishap.DENIED])
def test_a_first_build_goes_on_where_the_storage_failed(
    mirror: Mirror, upstream: FakeUpstream, mishap: Mishap
) -> None:
    for number in range(30):
        upstream.upload(f"p{number}", "1.0")
    mirror.gate.when(mishap, puts, skip=40)
    done = mirror("sync")
    assert done.code == 1 and mishap.value in done.err
    assert mirror("status", "--json").json["unpublished"] > 0
    mirror.gate.heal()
    assert mirror("sync").silent
    assert len(list(mirror.store.names())) == 32
    assert mirror("verify").silent


def test_a_lost_state_asks_a_storage_that_answers_nothing_no_more(
    mirror: Mirror, upstream: FakeUpstream
) -> None:
    names = [f"p{number}" for number in range(WORKERS + 8)]
    for name in names:
        upstream.upload(name, "1.0")
    assert mirror("sync").silent
    for path in mirror.home.glob("yanksync.db*"):
        path.unlink()

    def looks(method: str, key: str) -> bool:
        return method == "GET" and "/simple/p" in key

    mirror.gate.when(Mishap.DENIED, looks)
    mirror.gate.forget()
    done = mirror("sync")
    assert done.code == 1 and "AccessDenied" in done.err
    asked = {key for method, key in mirror.gate.requests if looks(method, key)}
    assert 4 <= len(asked) <= WORKERS  # no more than are looked at together
    mirror.gate.heal()
    assert mirror("sync").code == 0
    assert mirror("verify").silent


def test_a_list_that_could_not_be_put_is_put_again(mirror: Mirror, upstream: FakeUpstream) -> None:
    assert mirror("sync").silent
    upstream.upload("new", "1.0")
    mirror.gate.when(Mishap.DENIED, lambda method, key: key.endswith("/simple/index.html"))
    done = mirror("sync")
    assert done.code == 1 and "/simple/index.html: AccessDenied" in done.err
    mirror.gate.heal()
    assert mirror("sync").silent
    assert b"new" in (mirror.store.read(None, "index.html") or b"")


def test_what_somebody_changed_is_found_and_mended(mirror: Mirror) -> None:
    assert mirror("sync").silent
    put = mirror.objects.put
    put(
        "simple/demo/index.html", b"<a href='evil'>", ObjectHeaders(type="text/html; charset=utf-8")
    )
    body = mirror.store.read("other", "index.v1_json") or b""
    put("simple/other/index.v1_json", body, ObjectHeaders(type="application/json"))
    put("simple/other/notes.txt", b"mine", ObjectHeaders())
    put("simple/other/index.html.br", b"old", ObjectHeaders())
    put("simple/ghost/index.html", b"ghost", ObjectHeaders())
    rule = "public, max-age=600"
    put("simple/index.html", b"", ObjectHeaders(type="text/html; charset=utf-8", cache=rule))
    mirror.objects.delete(["simple/demo/index.v1_html.gz"])
    done = mirror("verify")
    assert done.code == 1
    assert sorted(done.out.splitlines()[:-1]) == [
        "different  simple/demo/index.html",
        "different  simple/index.html",
        "extra  simple/ghost/",
        "extra  simple/other/index.html.br",
        "missing  simple/demo/index.v1_html.gz",
        "mode  simple/demo/index.html: cache rule missing, not public, max-age=600",
        f"mode  simple/other/index.v1_json: content type application/json, not {JSON_TYPE}",
    ]
    assert mirror("verify", "--repair").code == 0
    assert mirror("verify").silent
    assert mirror.store.read("ghost", "index.html") is None
    assert {listed.key for listed in mirror.objects.list("simple/other")} == {
        f"simple/other/{name}" for name in (*FORMS, *(f"{form}.gz" for form in FORMS), "notes.txt")
    }


def test_a_directory_moves_into_a_bucket_and_back(mirror: Mirror) -> None:
    mirror.configure(f'simple_url = "{mirror.served.simple_url}"')
    assert mirror("sync").silent
    mirror.settle()
    mirror.served.upstream.clear_log()
    assert mirror("sync").silent
    assert sorted(mirror.store.names()) == ["demo", "other"]
    assert mirror.served.upstream.page_requests() == []
    assert mirror("verify").silent
    before = mirror.tree()
    for path in mirror.output.rglob("index.html"):
        path.unlink()
    mirror.configure(f'simple_url = "{mirror.served.simple_url}"')
    assert mirror("sync").silent
    assert mirror.tree().keys() == before.keys()


def test_a_bucket_that_is_not_there(mirror: Mirror, upstream: FakeUpstream) -> None:
    mirror.place = Bucket(scheme=mirror.place.scheme, bucket="nobody-made-it")
    mirror.settle()
    done = mirror("sync")
    assert done.code == 1 and done.err.count("\n") == 1
    advice = {"s3": "make the bucket first", "az": "make the container first"}
    assert f"{mirror.place.root}/" in done.err
    assert advice.get(mirror.place.scheme, "no bucket named") in done.err  # fake-gcs-server's words
    assert upstream.requests == []  # it only asks for what it can keep


def test_secrets_are_never_told(mirror: Mirror) -> None:
    for wrong in ({"secret_access_key": "hushhush"}, {"session_token": "hushhush"},
                  {"nonsense": "hushhush"}, {"timeout": "hushhush"}):  # fmt: skip
        mirror.settle(**wrong)
        done = mirror("-vv", "sync")
        assert done.code in (1, 2) and done.err
        assert "hushhush" not in done.out + done.err
        assert "testsecret" not in done.out + done.err
    assert not any("hushhush" in line or "testsecret" in line for line in mirror.content())


def test_wrong_keys_and_places_are_usage(mirror: Mirror) -> None:
    mirror.settle(nonsense="x")
    done = mirror("sync")
    assert done.code == 2
    assert done.err == (
        f"yanksync: {mirror.config}: storage.nonsense: the client of this storage knows no such "
        "key\n"
    )
    mirror.settle()
    for what in ("nginx", "caddy"):
        done = mirror("show", what)
        assert done.code == 2 and "mirror.output: is object storage" in done.err
    done = mirror("show", "yanksync.service")
    assert done.code == 0 and "s3://" not in done.out


@pytest.mark.s3
def test_credentials_come_from_the_environment(mirror: Mirror, seaweed: Server) -> None:
    mirror.configure(
        f'simple_url = "{mirror.served.simple_url}"',
        mirror=f'output = "{mirror.place}"',
        storage=f'endpoint = "{seaweed.url}"\nregion = "us-east-1"',
    )
    given = {"AWS_ACCESS_KEY_ID": seaweed.key, "AWS_SECRET_ACCESS_KEY": seaweed.secret}
    assert mirror("sync", **given).silent
    mirror.config.unlink()
    settings = {
        "YANKSYNC_UPSTREAM_SIMPLE_URL": mirror.served.simple_url,
        "YANKSYNC_MIRROR_OUTPUT": str(mirror.place),
        "YANKSYNC_STORAGE_ENDPOINT": seaweed.url,
        "YANKSYNC_STORAGE_ALLOW_HTTP": "true",
    }
    assert mirror("verify", **given, **settings).silent


def test_without_the_client(mirror: Mirror) -> None:
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from yanksync.cli import main; sys.argv = ['yanksync', 'sync']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=mirror.home, env=mirror.environ,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"mirror.output: {mirror.place.scheme}:// needs the package obstore" in done.stderr
    assert "pip install 'yanksync[s3]'" in done.stderr


@pytest.mark.s3
def test_pip_installs_from_plain_keys(
    tmp_path: Path, served: Served, upstream: FakeUpstream, motor: Server
) -> None:
    """Install without index documents or a CDN.

    What the storage says to ``GET /simple/demo/`` is enough.
    """
    upstream.upload("real", "1.0", content=wheel("real", "1.0"))
    upstream.upload("real", "2.0", content=wheel("real", "2.0"))
    upstream.yank("real", "2.0", "broken")
    for form in ("html", "json"):
        home = tmp_path / form
        home.mkdir()
        with gate(motor.url) as standing:
            mirror = Mirror(home, served, motor, standing)
            mirror.settle(f'slash_keys = "{form}"')
            assert mirror("sync").silent
            assert mirror("verify").silent
            index = f"{motor.url}/mirror/{mirror.place.prefix}/simple/"
            assert Client("pip", form, home).ask(index, "real").picks == {"real": "1.0"}
            mirror.settle()
            assert mirror("sync").silent  # they are not wanted any more
            assert mirror("verify").silent
            plain = {listed.key for listed in mirror.objects.list("")}
            assert not plain & {"simple", "simple/real", "simple/demo"}
            mirror.store.close()


def test_cooldown_reaches_every_form(mirror: Mirror, upstream: FakeUpstream) -> None:
    mirror.settle('legacy_json = true\ncompress = ["gzip"]')
    with mirror.config.open("a") as file:
        file.write('[cooldown]\nage = "1d"\n')
    soon = iso_time(int(time.time()) - 86400 + 5)
    upstream.upload("other", "3.0", upload_time=soon)
    upstream.upload("demo", "3.0", upload_time=iso_time(int(time.time())))

    def forms(project: str) -> dict[str, bool]:
        """Return whether each object of a project knows of the release."""
        found = {}
        for listed in mirror.objects.list(f"simple/{project}"):
            stored = mirror.objects.get(listed.key)
            assert stored is not None
            body = stored.body()
            page = gzip.decompress(body) if listed.key.endswith(".gz") else body
            found[listed.key.rpartition("/")[2]] = b"-3.0.tar.gz" in page
        return found

    def shown() -> bool:
        assert mirror("sync").silent
        return all(forms("other").values())

    wait_for(shown)
    every = {*FORMS, "index.legacy_json"}
    assert {*forms("other")} >= {*every, *(f"{form}.gz" for form in FORMS)}
    assert {*forms("demo")} == {*forms("other")}
    assert not any(forms("demo").values())
    assert mirror("verify").silent
