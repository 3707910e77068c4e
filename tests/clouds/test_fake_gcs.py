"""What only Google's storage has; the tests of any storage are run as well."""

from __future__ import annotations

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from tests.clouds.any_cloud import test_a_story as test_a_story
from tests.support.builders.works import ALL, ENCODINGS, TYPES, work
from tests.support.s3_proxy import Mishap, gate, puts
from tests.support.s3_servers import Server
from yanksync.config.settings import Bucket, StorageSettings
from yanksync.core.errors import ConfigError, PreconditionFailed
from yanksync.output.object_storage.bucket import MUST_NOT_EXIST, BucketClient, ObjectHeaders
from yanksync.output.object_storage.store import ObjectStore

PLAIN = ObjectHeaders(type="text/plain")


def test_everybody_reads_what_the_pages_say_of_themselves(seaweed: Server) -> None:
    objects = seaweed.objects()
    assert ObjectStore(objects).apply(work("demo", "one", codecs=ALL)) == ()
    for form, content_type in TYPES.items():
        for suffix, encoding in ENCODINGS.items():
            key = quote(f"{objects.location.prefix}/simple/demo/{form}{suffix}", safe="")
            with urllib.request.urlopen(f"{seaweed.url}/mirror/{key}") as answer:
                assert answer.headers["Content-Type"] == content_type
                assert answer.headers["Content-Encoding"] == encoding
                transform = ", no-transform" if suffix else ""
                assert answer.headers["Cache-Control"] == f"public, max-age=600{transform}"


def test_an_etag_becomes_the_generation_that_has_it(seaweed: Server) -> None:
    with gate(seaweed.url) as standing:
        objects = seaweed.behind(standing.url).objects()
        first = objects.put("a", b"one", PLAIN, MUST_NOT_EXIST)
        standing.forget()
        objects.put("a", b"two", PLAIN, first)
        assert [method for method, _ in standing.requests] == ["HEAD", "PUT"]
        assert standing.headers[1]["x-goog-if-generation-match"].isdecimal()
        assert "if-match" not in standing.headers[1]


def test_what_changed_after_the_generation_was_asked_for_is_not_overwritten(
    seaweed: Server,
) -> None:
    with gate(seaweed.url) as standing, ThreadPoolExecutor(1) as pool:
        objects = seaweed.behind(standing.url).objects()
        other = seaweed.objects(objects.location)
        first = objects.put("a", b"one", PLAIN)
        rule = standing.when(Mishap.PAUSE, puts, times=1)
        late = pool.submit(objects.put, "a", b"late", PLAIN, first)
        assert rule.caught.wait(60)
        other.put("a", b"meanwhile", PLAIN)
        rule.go.set()
        with pytest.raises(PreconditionFailed):
            late.result()
        found = other.get("a")
        assert found is not None and found.body() == b"meanwhile"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"service_account_key": '{"private_key":"hush"}'}, "storage: .*service account"),
        ({"service_account": "/nowhere/account.json"}, "storage: .*Unable to open service account"),
        ({"base_url": "http://storage.example.org"}, "storage.base_url: plain http needs"),
    ],
)
def test_what_storage_may_not_say(options: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        BucketClient(
            Bucket(scheme="gs", bucket="b"), StorageSettings(tuple(options.items())), "here"
        )
    assert "hush" not in str(caught.value)
