"""What object storage asks for beyond the contract: headers, keys, conditions, and mishaps."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.builders.works import ALL, ENCODINGS, FORMS, TYPES, rendered, stands, work
from tests.support.s3_proxy import Gate, Mishap, puts, puts_of
from tests.support.s3_servers import Server, fresh_place
from tests.support.system.file_size_limit import small_files
from yanksync.config.settings import Bucket, StorageSettings
from yanksync.core.errors import ConfigError, ObjectStorageError, PreconditionFailed, PublishError
from yanksync.output.object_storage.bucket import (
    MUST_NOT_EXIST,
    BucketClient,
    ObjectHeaders,
    quoted_etag,
)
from yanksync.output.object_storage.client import is_precondition_failure
from yanksync.output.object_storage.store import ObjectStore
from yanksync.output.published_serials import LARGEST
from yanksync.output.reconcile import Operation
from yanksync.output.store import ListForm


@pytest.fixture
def place(seaweed: Server) -> Bucket:
    return fresh_place(seaweed.scheme)


@pytest.fixture
def patient(seaweed: Server, place: Bucket) -> Iterator[ObjectStore]:
    """The store of ``gated`` without the gate, where a try may take its time."""
    store = ObjectStore(seaweed.objects(place))
    yield store
    store.close()


@pytest.fixture
def gated(seaweed: Server, s3_gate: Gate, place: Bucket) -> Iterator[ObjectStore]:
    """A store behind the gate; a try may take a second."""
    store = ObjectStore(seaweed.behind(s3_gate.url).objects(place, timeout="1s", max_retries="1"))
    yield store
    s3_gate.heal()
    store.close()


def many(text: str, count: int = 12) -> list[Operation]:
    return [one for number in range(count) for one in work(f"p{number}", text)]


def asked(url: str) -> tuple[bytes, str | None]:
    with urllib.request.urlopen(url) as answer:
        return answer.read(), answer.headers["Content-Type"]


def is_missing(url: str) -> bool:
    """Return whether a server answers 404."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        asked(url)
    with caught.value as error:  # Python 3.14 warns of an answer that is not closed
        return error.code == 404


def test_every_object_says_what_it_is(motor: Server) -> None:
    objects = motor.objects()
    store = ObjectStore(objects)
    assert store.apply(work("demo", "one", codecs=ALL)) == ()
    for form, content_type in TYPES.items():
        for suffix, encoding in ENCODINGS.items():
            url = f"{motor.url}/mirror/{objects.location.prefix}/simple/demo/{form}{suffix}"
            with urllib.request.urlopen(url) as answer:
                assert answer.headers["Content-Type"] == content_type
                assert answer.headers["Content-Encoding"] == encoding
                transform = ", no-transform" if suffix else ""
                assert answer.headers["Cache-Control"] == f"public, max-age=600{transform}"


def test_siblings_before_their_page_and_deletions_first(gated: ObjectStore, s3_gate: Gate) -> None:
    gated.apply(work("demo", "one", codecs=("gzip", "br")))
    s3_gate.forget()
    gated.apply(work("demo", "two", stands("one", ("gzip", "br")), ("gzip",)))
    keys = [key.rpartition("/")[2] for key in s3_gate.asked("PUT")]
    assert sorted(keys) == sorted([*FORMS, *(f"{form}.gz" for form in FORMS)])
    for form in FORMS:
        assert keys.index(f"{form}.gz") < keys.index(form)
    methods = [method for method, _ in s3_gate.requests]
    deletions = {"POST", "DELETE"}  # POST: the deletion of several
    assert min(map(methods.index, deletions & set(methods))) < methods.index("PUT")


@pytest.mark.parametrize(
    ("form", "text"), [("index.html", b"<p>one</p>"), ("index.v1_json", rendered("one").json)]
)
def test_keys_that_need_no_index_document(motor: Server, form: str, text: bytes) -> None:
    objects = motor.objects()
    store = ObjectStore(objects, form)
    store.apply(work("demo", "one", codecs=("gzip",)))
    store.apply(work("other", "one"))
    store.write_list([ListForm(form, lambda: [b"the list"])], ())
    root = f"{motor.url}/mirror/{objects.location.prefix}/simple/"
    assert asked(f"{root}demo/") == (text, TYPES[form])
    assert asked(root) == (b"the list", TYPES[form])
    assert sorted(store.names()) == ["demo", "other"]
    assert {seen.name for seen in store.directory_content("other").entries} == set(FORMS)
    store.apply(work("demo", "two", stands("one", ("gzip",)), ("gzip",)))
    assert b"two" in asked(f"{root}demo/")[0]
    store.apply(work("demo", None, stands("two")))
    assert is_missing(f"{root}demo/")
    without = ObjectStore(objects)  # the configuration does not want them any more
    without.apply(work("other", "two", None, dirty=True))
    assert is_missing(f"{root}other/")
    assert asked(f"{root}other/{form}")[1] == TYPES[form]


def test_a_stale_copy_without_file_name_is_found(motor: Server) -> None:
    store = ObjectStore(motor.objects(), "index.html")
    store.apply(work("demo", "one"))
    assert all(seen.wrong_mode is None for seen in store.directory_content("demo").entries)
    store._bucket.put("simple/demo/", b"<p>old</p>", ObjectHeaders(type=TYPES["index.html"]))
    assert _wrong(store) == {"index.html": "not the same under the name with the slash alone"}


def test_wrong_headers_are_found(motor: Server) -> None:
    store = ObjectStore(motor.objects())
    store.apply(work("demo", "one"))
    page = rendered("one")
    store._bucket.put(
        "simple/demo/index.v1_json", page.json, ObjectHeaders(type="application/json")
    )
    store._bucket.put("simple/demo/index.html", page.html, ObjectHeaders(type=TYPES["index.html"]))
    assert _wrong(store) == {
        "index.html": "cache rule missing, not public, max-age=600",
        "index.v1_json": f"content type application/json, not {TYPES['index.v1_json']}",
    }


def _wrong(store: ObjectStore) -> dict[str, str]:
    entries = store.directory_content("demo").entries
    return {seen.name: seen.wrong_mode for seen in entries if seen.wrong_mode is not None}


@pytest.mark.parametrize("kind", ["seaweed", "motor"])
def test_conditions(request: pytest.FixtureRequest, kind: str) -> None:
    server: Server = request.getfixturevalue(kind)
    objects, content = server.objects(), ObjectHeaders(type="text/plain")
    first = objects.put("a", b"one", content, MUST_NOT_EXIST)
    with pytest.raises(PreconditionFailed):
        objects.put("a", b"two", content, MUST_NOT_EXIST)
    second = objects.put("a", b"two", content, first)
    assert first != second
    for match in (first, '"0123456789abcdef0123456789abcdef"'):
        with pytest.raises(PreconditionFailed):
            objects.put("a", b"three", content, match)
    with pytest.raises(PreconditionFailed):
        objects.put("gone", b"three", content, first)
    found = objects.get("a")
    assert found is not None and (found.etag, found.body(), found.size) == (second, b"two", 3)
    assert objects.get("gone") is None
    assert [(one.key, one.etag) for one in objects.list("")] == [("a", second)]
    objects.delete(["a", "gone"])
    assert objects.get("a") is None


@pytest.mark.parametrize("kind", ["seaweed", "motor"])
@pytest.mark.parametrize("key", ["a/b", "a/"])
def test_deletions_on_a_condition(request: pytest.FixtureRequest, kind: str, key: str) -> None:
    if (kind, key) == ("seaweed", "a/"):
        return  # it loses what is put there
    server: Server = request.getfixturevalue(kind)
    objects = server.objects()
    first = objects.put(key, b"one", ObjectHeaders())
    second = objects.put(key, b"two", ObjectHeaders())
    assert first is not None and second is not None
    with pytest.raises(PreconditionFailed):
        objects.delete_if_match(key, first)
    found = objects.get(key)
    assert found is not None and found.body() == b"two"
    objects.delete_if_match(key, second)
    assert objects.get(key) is None
    objects.delete_if_match(key, second)  # it is gone, whoever did it


@pytest.mark.s3
@pytest.mark.parametrize("mishap", [Mishap.ANSWER_LOST, Mishap.CUT, Mishap.UNKNOWN])
def test_a_deletion_on_a_condition_that_goes_wrong(
    seaweed: Server, s3_gate: Gate, mishap: Mishap
) -> None:
    objects = seaweed.behind(s3_gate.url).objects()
    etag, other = (objects.put(name, name.encode(), ObjectHeaders()) for name in ("a", "b"))
    assert etag is not None and other is not None
    rule = s3_gate.when(mishap, lambda method, key: method == "DELETE", times=1)
    objects.delete_if_match("a", etag)
    assert rule.times == 0 and objects.get("a") is None
    s3_gate.when(mishap, lambda method, key: method == "DELETE", times=1)
    with pytest.raises(PreconditionFailed):
        objects.delete_if_match("b", etag)
    assert objects.get("b") is not None


def test_etags_are_in_quotes() -> None:
    # Azure lists them without and answers with them; the list is held against the answers.
    assert quoted_etag("0x1DF4") == quoted_etag('"0x1DF4"') == '"0x1DF4"'
    assert (quoted_etag('W/"a"'), quoted_etag(None)) == ('W/"a"', None)


@pytest.mark.parametrize(
    ("status", "code", "broke"),
    [
        ("412 Precondition Failed", "PreconditionFailed", True),
        ("412 Precondition Failed", "ConditionNotMet", True),
        ("409 Conflict", "BlobAlreadyExists", True),
        ("409 Conflict", "ContainerBeingDeleted", False),
        ("409 Conflict", "BlobImmutableDueToPolicy", False),
        ("409 Conflict", "ConditionalRequestConflict", False),
        ("412 Precondition Failed", "LeaseIdMissing", False),
    ],
)
def test_not_every_409_and_412_is_a_broken_condition(status: str, code: str, broke: bool) -> None:
    said = f"Server returned non-2xx status code: {status}: <Error><Code>{code}</Code></Error>"
    assert is_precondition_failure(said) == broke
    assert is_precondition_failure("Server returned non-2xx status code: 412 Precondition Failed: ")


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("mishap", [Mishap.CONFLICT, Mishap.SLOW_DOWN, Mishap.CUT])
def test_a_condition_that_nobody_broke(
    seaweed: Server, s3_gate: Gate, mishap: Mishap, new: bool
) -> None:
    objects = seaweed.behind(s3_gate.url).objects(max_retries="1")
    match = MUST_NOT_EXIST if new else objects.put("a", b"one", ObjectHeaders())
    s3_gate.when(mishap, puts, times=1)
    assert objects.put("a", b"two", ObjectHeaders(), match) is not None
    s3_gate.when(mishap, puts)
    match = MUST_NOT_EXIST if new else objects.etag("a")
    with pytest.raises(ObjectStorageError) as caught:
        objects.put("b" if new else "a", b"three", ObjectHeaders(), match)
    assert not isinstance(caught.value, PreconditionFailed)  # so no lease is lost by it


@pytest.mark.parametrize(
    ("mishap", "told"),
    [
        (Mishap.SLOW_DOWN, "SlowDown (503 Service Unavailable): Please reduce your request rate"),
        (Mishap.DENIED, "AccessDenied (403 Forbidden): Access Denied; see what these credentials"),
        (Mishap.HANG, "error"),
        (Mishap.CUT, "error"),
    ],
)
def test_a_mishap_concerns_one_project(
    gated: ObjectStore, s3_gate: Gate, mishap: Mishap, told: str
) -> None:
    assert gated.apply(many("one")) == ()
    s3_gate.when(mishap, puts_of("p3"))
    (failure,) = gated.apply(many("two"))
    assert failure.name == "p3" and told in failure.why and "\n" not in failure.why
    for number in range(12):
        text = "one" if number == 3 else "two"
        assert gated.read(f"p{number}", "index.v1_json") == rendered(text).json
    s3_gate.heal()
    assert gated.apply(work("p3", "two", None, dirty=True)) == ()
    assert gated.read("p3", "index.html") == rendered("two").html


@pytest.mark.s3  # a server that is slow breaks the gate's second
@pytest.mark.parametrize("mishap", [Mishap.SLOW_DOWN, Mishap.DENIED, Mishap.HANG, Mishap.CUT])
def test_an_outage_in_mid_batch_ends_it_soon(
    gated: ObjectStore, patient: ObjectStore, s3_gate: Gate, mishap: Mishap
) -> None:
    count = 180
    s3_gate.when(mishap, puts, skip=90)  # three puts are a project
    failures = {failure.name for failure in gated.apply(many("one", count))}
    tried = {key.split("/")[-2] for key in s3_gate.asked("PUT")}
    assert count - 30 <= len(failures) < count and len(tried) < 150
    for number in range(count):
        name = f"p{number}"
        whole = {patient.read(name, form) is not None for form in FORMS} == {True}
        assert whole or name in failures
    again = [one for name in failures for one in work(name, "one", dirty=True)]
    assert patient.apply(again) == ()
    assert sorted(patient.names()) == sorted(f"p{number}" for number in range(count))


@pytest.mark.parametrize("mishap", [Mishap.ANSWER_LOST, Mishap.CUT, Mishap.SLOW_DOWN])
def test_what_passes_is_tried_again(gated: ObjectStore, s3_gate: Gate, mishap: Mishap) -> None:
    s3_gate.when(mishap, puts_of("demo"), times=1)
    assert gated.apply(work("demo", "one")) == ()
    assert gated.read("demo", "index.v1_json") == rendered("one").json


def test_a_deletion_that_fails_is_told(gated: ObjectStore, s3_gate: Gate) -> None:
    gated.apply(many("one", 2))
    s3_gate.when(Mishap.DENIED, lambda method, key: method in ("POST", "DELETE"), times=1)
    (failure,) = gated.apply(work("p0", None, stands("one")))
    assert failure.name == "p0" and "AccessDenied" in failure.why
    assert gated.apply(work("p0", None, stands("one"))) == ()
    assert list(gated.names()) == ["p1"]


def test_the_list_fails_as_a_whole(gated: ObjectStore, s3_gate: Gate) -> None:
    s3_gate.when(Mishap.DENIED, puts)
    with pytest.raises(PublishError, match=r"^..://mirror/.*/simple/index.v1_json: AccessDenied"):
        gated.write_list([ListForm("index.v1_json", lambda: [b"{}"])], ())
    with pytest.raises(PublishError):
        gated.write_list([ListForm("index.v1_json", lambda: [b""])], ("gzip",))


def test_no_room_for_the_list_of_projects(seaweed: Server) -> None:
    store = ObjectStore(seaweed.objects())
    told = "no room for the list of projects: File too large$"
    with small_files(1000), pytest.raises(PublishError, match=told):
        store.write_list([ListForm("index.v1_json", lambda: [b"x" * 2000])], ())


def test_what_is_no_page_is_not_read(seaweed: Server) -> None:
    store = ObjectStore(seaweed.objects())
    store._bucket.put("simple/demo/index.v1_json", bytes(LARGEST + 1), ObjectHeaders())
    with pytest.raises(PublishError, match=r"/index\.v1_json: is larger than any page"):
        store.read("demo", "index.v1_json")


def test_what_cannot_be_read_is_told(gated: ObjectStore, s3_gate: Gate) -> None:
    gated.apply(work("demo", "one"))
    s3_gate.when(Mishap.DENIED, lambda method, key: method == "GET")
    for look in (
        lambda: gated.read("demo", "index.html"),
        lambda: gated.serial("demo"),
        lambda: list(gated.names()),
    ):
        with pytest.raises(PublishError, match="AccessDenied"):
            look()
    assert "AccessDenied" in (gated.directory_content("demo").problem or "")
    assert {seen.problem is not None for seen in gated.directory_content(None).entries} == {True}


def test_an_empty_page_has_no_serial_and_stops_nobody(seaweed: Server) -> None:
    store = ObjectStore(seaweed.objects())
    store._bucket.put("simple/index.v1_json", b"", ObjectHeaders())
    assert store.published_list().serial is None
    assert store.directory_content(None).exists


@pytest.mark.s3
def test_wrong_credentials_and_a_missing_bucket_are_named(seaweed: Server) -> None:
    place = Bucket(scheme="s3", bucket="nobody-made-it")
    for objects, told in (
        (seaweed.objects(secret_access_key="another-secret"), "SignatureDoesNotMatch"),
        (seaweed.objects(access_key_id="nobody"), "InvalidAccessKeyId"),
        (seaweed.reader().objects(), "AccessDenied"),
        (seaweed.objects(place), "NoSuchBucket"),
    ):
        store = ObjectStore(objects)
        (failure,) = store.apply(work("demo", "one"))
        assert told in failure.why and "another-secret" not in failure.why
    with pytest.raises(PublishError, match=r"NoSuchBucket .*make the bucket first$"):
        list(store.names())
    with pytest.raises(PublishError, match="make the bucket first"):
        store.published_list()


def test_nobody_listens() -> None:
    storage = StorageSettings((("access_key_id", "a"), ("endpoint", "http://127.0.0.1:9"),
                       ("max_retries", "0"), ("secret_access_key", "hush")))  # fmt: skip
    objects = BucketClient(Bucket(scheme="s3", bucket="mirror"), storage, "here")
    with pytest.raises(
        ObjectStorageError, match=r"^s3://mirror/a: .*error sending request"
    ) as caught:
        objects.get("a")
    assert "hush" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"nonsense": "hush"}, r"here: storage.nonsense: the client of this storage knows no such"),
        ({"bucket": "hush"}, r"storage.bucket: belongs into mirror.output"),
        ({"endpoint": "hush"}, r"storage.endpoint: must be an http or https URL"),
        ({"endpoint": "http://[hush"}, r"storage.endpoint: must be an http or https URL"),
        ({"endpoint": "http://u:hush@127.0.0.1"}, r"storage.endpoint: must be an http or"),
        ({"endpoint": "http://s3.example.org"}, r"storage.endpoint: plain http needs storage.allo"),
        ({"max_retries": "hush"}, r"storage.max_retries: must be a whole number"),
        ({"retry_timeout": "hush"}, r"storage.retry_timeout: must be seconds"),
        ({"timeout": "hush"}, r"storage: .*Duration"),
        ({"virtual_hosted_style_request": "hush"}, r"storage: .*boolean"),
    ],
)
def test_what_storage_may_not_say(options: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        BucketClient(
            Bucket(scheme="s3", bucket="b"), StorageSettings(tuple(options.items())), "here"
        )
    assert "hush" not in str(caught.value)


def test_the_other_two_clients_are_made() -> None:
    # Their emulators do not come as wheels. So only the clients are made here.
    storage = StorageSettings(
        (("account_key", "aHVzaA=="), ("account_name", "me"), ("retry_timeout", 5))
    )
    BucketClient(Bucket(scheme="az", bucket="container", prefix="a"), storage, "here")
    BucketClient(
        Bucket(scheme="gs", bucket="bucket"), StorageSettings((("allow_http", True),)), "here"
    )
    with pytest.raises(ConfigError, match=r"storage: .*Account must be specified"):
        BucketClient(Bucket(scheme="az", bucket="container"), StorageSettings(), "here")
