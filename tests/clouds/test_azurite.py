"""What only Azure has, or says in its own words; the tests of any storage are run as well."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.clouds.any_cloud import test_a_story as test_a_story
from tests.clouds.servers import ACCOUNT, KEY, asked
from tests.support.bucket_mirrors import LOCKED, Fleet, Mirror
from tests.support.builders.works import ALL, ENCODINGS, TYPES, work
from tests.support.cli_runner import ended
from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream, Served
from tests.support.s3_proxy import Mishap, puts_of
from tests.support.s3_servers import BUCKET, Server, fresh_place
from yanksync.config.settings import Bucket, StorageSettings
from yanksync.core.errors import ConfigError, ObjectStorageError, PreconditionFailed
from yanksync.output.object_storage.bucket import MUST_NOT_EXIST, BucketClient, ObjectHeaders
from yanksync.output.object_storage.store import ObjectStore

PLAIN = ObjectHeaders(type="text/plain")


def url_of(server: Server, objects: BucketClient, key: str) -> str:
    return f"{server.url}/mirror/{objects.location.prefix}/{key}"


def sas(permissions: str = "rwdlacx") -> str:
    """Return a shared access signature of the account, for blobs, for some decades."""
    said = {"sv": "2021-08-06", "ss": "b", "srt": "sco", "sp": permissions, "se": "2099-01-01"}
    lines = [ACCOUNT, *(said[name] for name in ("sp", "ss", "srt")), "", said["se"], "", "",
             said["sv"], "", ""]  # fmt: skip
    digest = hmac.new(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
    return urlencode({**said, "sig": base64.b64encode(digest).decode()})


def test_readmes_configuration(
    seaweed: Server, served: Served, upstream: FakeUpstream, tmp_path: Path
) -> None:
    """The block of docs/how-to/azure.rst, with the account of here, and credentials as it says."""
    (block,) = page_blocks("how-to/azure", "toml")
    assert (
        block.count("examplemirror") == 1 and block.count("https://upstream.example/simple/") == 1
    )
    block = block.replace("https://upstream.example/simple/", served.simple_url)
    config = tmp_path / "yanksync.toml"
    config.write_text(block.replace("examplemirror", ACCOUNT) + f'\nendpoint = "{seaweed.url}"\n')
    environ = os.environ | {
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "YANKSYNC_UPSTREAM_JOURNAL_INTERVAL": "0",
    }
    command = [sys.executable, "-m", "yanksync", "--config", str(config)]
    for reason in ("broken", "worse"):
        upstream.yank("demo", "1.0", reason)
        done = subprocess.run([*command, "sync"], env=environ, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        page = asked("GET", f"{seaweed.url}/{BUCKET}/pypi/simple/demo/index.v1_json")[2]
        assert f'"yanked":"{reason}"'.encode() in page
        upstream.unyank("demo", "1.0")
    assert asked("HEAD", f"{seaweed.url}/{BUCKET}/state/yanksync.db")[0] == 200


def test_a_put_that_the_cloud_finishes_late_overwrites_nothing(
    fleet: Fleet, upstream: FakeUpstream
) -> None:
    fleet.first.settle("lease = 8")
    assert fleet.first("sync").silent
    upstream.yank("demo", "1.0", "broken")
    rule = fleet.first.gate.when(Mishap.PAUSE, puts_of("demo"), times=1)
    process = fleet.first.start("sync")
    assert rule.caught.wait(60)
    assert fleet.second("sync").code == LOCKED
    rule.go.set()
    assert ended(process).code == 0
    assert fleet.second("sync").silent and fleet.second("verify").silent


def test_everybody_reads_what_the_pages_say_of_themselves(seaweed: Server) -> None:
    objects = seaweed.objects()
    assert ObjectStore(objects).apply(work("demo", "one", codecs=ALL)) == ()
    for form, content_type in TYPES.items():
        for suffix, encoding in ENCODINGS.items():
            url = url_of(seaweed, objects, f"simple/demo/{form}{suffix}")
            with urllib.request.urlopen(url) as answer:
                assert answer.headers["Content-Type"] == content_type
                assert answer.headers["Content-Encoding"] == encoding
                transform = ", no-transform" if suffix else ""
                assert answer.headers["Cache-Control"] == f"public, max-age=600{transform}"


def test_more_than_a_page_of_keys(seaweed: Server) -> None:
    objects, count = seaweed.objects(), 5100  # 5,000 are a page
    with ThreadPoolExecutor(32) as pool:
        tags = dict(pool.map(lambda key: (key, objects.put(key, b"", PLAIN)), _keys(count)))
    assert {listed.key: listed.etag for listed in objects.list("simple")} == tags
    assert len(list(ObjectStore(objects).names())) == count
    gone = list(tags)[:20]  # Azurite takes longer than a minute for a whole batch, of 256
    objects.delete(gone)
    assert {listed.key for listed in objects.list("simple")} == tags.keys() - set(gone)


def _keys(count: int) -> list[str]:
    return [f"simple/p{number}/index.html" for number in range(count)]


def test_what_is_locked_is_nobody_elses_change(seaweed: Server) -> None:
    objects = seaweed.objects()
    tag = objects.put("a", b"one", PLAIN)
    url = url_of(seaweed, objects, "a")
    lock = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}
    assert asked("PUT", f"{url}?comp=lease", lock)[0] == 201
    told = r"/a: LeaseIdMissing \(412 .*; it is locked with a lease of Azure's$"
    for match in (tag, None):
        with pytest.raises(ObjectStorageError, match=told) as caught:
            objects.put("a", b"two", PLAIN, match)
        assert not isinstance(caught.value, PreconditionFailed) and caught.value.answered
    with pytest.raises(ObjectStorageError, match=r"There is currently a lease on the blob"):
        objects.delete(["a"])
    found = objects.get("a")
    assert found is not None and found.body() == b"one"


@pytest.mark.parametrize(
    ("options", "place", "told"),
    [
        (
            {"account_key": base64.b64encode(b"another").decode()},
            None,
            r"\(403 Forbidden\): Server failed to authenticate .*; see account_name, ",
        ),
        ({"account_name": "nobody"}, None, "403 Forbidden.*; see account_name, account_key or "),
        (
            {},
            Bucket(scheme="az", bucket="nobody-made-it"),
            r"ContainerNotFound \(404 Not Found\): .* does not exist; make the container first$",
        ),
        ({}, Bucket(scheme="az", bucket="No"), r"400 .*; a container has 3 to 63 lower-case"),
    ],
)
def test_what_is_wrong_is_told_with_advice(
    seaweed: Server, options: dict[str, str], place: Bucket | None, told: str
) -> None:
    objects = seaweed.objects(place, None, **options)
    for ask in (
        lambda: objects.put("a", b"", PLAIN),
        lambda: list(objects.list("")),
    ):
        with pytest.raises(ObjectStorageError, match=told) as caught:
            ask()
        assert "\n" not in str(caught.value) and "RequestId" not in str(caught.value)
        assert options.get("account_key", KEY) not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"account_key": "hush hush"}, "storage.account_key: .*Invalid Access Key"),
        ({"endpoint": "http://blobs.example.org/hush"}, "storage.endpoint: plain http needs"),
    ],
)
def test_what_storage_may_not_say(seaweed: Server, options: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        seaweed.objects(None, None, **options)
    assert "hush" not in str(caught.value)


def test_folders_that_somebody_made_are_left_alone(mirror: Mirror, upstream: FakeUpstream) -> None:
    for key in ("simple/", "simple/demo/"):
        headers = {"x-ms-blob-type": "BlockBlob"}
        asked("PUT", url_of(mirror.server, mirror.objects, key), headers)
    assert mirror("sync").silent
    assert sorted(mirror.store.names()) == ["demo", "other"]
    upstream.remove_project("demo")
    assert mirror("sync").silent
    assert mirror("verify").silent and mirror("verify", "--repair").code == 0
    assert list(mirror.store.names()) == ["other"]


def test_credentials_come_from_the_environment(mirror: Mirror) -> None:
    mirror.configure(
        f'simple_url = "{mirror.served.simple_url}"',
        mirror=f'output = "{mirror.place}"',
        storage=f'endpoint = "{mirror.gate.url}"',
    )
    name, key = "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"
    assert mirror("sync", **{name: ACCOUNT, key: KEY}).silent
    assert mirror("verify", **{name: ACCOUNT, key: KEY}).silent


def test_signatures_are_enough_and_never_told(seaweed: Server) -> None:
    """But to delete: Azurite answers 500 to each batch that is sent with one."""

    def signed(signature: str) -> BucketClient:
        options = {**seaweed.options, "sas_key": signature}
        del options["account_key"]
        return BucketClient(place, StorageSettings(tuple(sorted(options.items()))), "here")

    place = fresh_place("az")
    writer, reader = signed(sas()), signed(sas("rl"))
    tag = writer.put("a", b"one", PLAIN, MUST_NOT_EXIST)
    assert reader.etag("a") == tag and [one.etag for one in reader.list("")] == [tag]
    secret = sas("rl").rpartition("sig=")[2]
    with pytest.raises(ObjectStorageError, match="403 Forbidden") as caught:
        reader.put("a", b"two", PLAIN, tag)
    assert "sig=" not in str(caught.value) and secret not in str(caught.value)
    with pytest.raises(ConfigError, match=r"here: storage.sas_key: .*SAS") as wrong:
        signed("hushhush")
    assert "hush" not in str(wrong.value)
