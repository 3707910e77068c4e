"""What every store must do: one contract, held against each."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builders.works import ALL, FORMS, TWIN_NAMES, rendered, stands, work
from tests.support.memory_store import MemoryStore
from tests.support.s3_servers import Server
from yanksync.core import layout
from yanksync.output.compress import compress
from yanksync.output.digests import digest
from yanksync.output.disk.store import DiskStore
from yanksync.output.files import OutputFile
from yanksync.output.object_storage.store import ObjectStore
from yanksync.output.published_serials import serial_in
from yanksync.output.reconcile import FormUpdate, WriteProject
from yanksync.output.store import ListForm, PublishedList, Store


@pytest.fixture(params=["disk", "memory", "seaweed", "motor", "motor-slash"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = make(request, tmp_path)
    made.prepare()
    yield made
    made.close()


def make(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    kind, _, slash = request.param.partition("-")
    if kind == "disk":
        return DiskStore(tmp_path / "mirror")
    if kind == "memory":
        return MemoryStore()
    server: Server = request.getfixturevalue(kind)
    return ObjectStore(server.objects(), "index.html" if slash else None)


def there(store: Store, name: str | None = "demo") -> set[str]:
    return {filename for filename in layout.filenames() if store.read(name, filename) is not None}


def with_siblings(*codecs: str) -> set[str]:
    return {form + suffix for form in FORMS for suffix in ("", *(layout.SUFFIX[c] for c in codecs))}


def assert_page(store: Store, text: str, name: str = "demo") -> None:
    """Assert that all forms say ``text`` and every sibling is the page's own."""
    for filename in TWIN_NAMES:
        assert store.read(name, filename) == rendered(text).html
    assert store.read(name, "index.v1_json") == rendered(text).json
    for filename in FORMS:
        packed = store.read(name, filename + ".gz")
        assert packed is None or gzip.decompress(packed) == store.read(name, filename)


def test_nothing_stands_at_first(store: Store) -> None:
    assert there(store) == there(store, None) == set()
    assert (
        list(store.names()) == []
        and store.serial("demo") is None
        and store.published_list() == PublishedList(None, "")
    )


def test_create_replace_remove(store: Store) -> None:
    assert store.apply(work("demo", "one")) == ()
    assert_page(store, "one")
    assert store.apply(work("demo", "two", stands("one"))) == ()
    assert_page(store, "two")
    assert there(store) == set(FORMS)
    assert store.apply(work("demo", None, stands("two"))) == ()
    assert there(store) == set() and list(store.names()) == []
    assert store.apply(work("demo", None, stands("two"))) == ()  # as after a run that died


def test_many_at_once(store: Store) -> None:
    names = [f"p{number}" for number in range(40)]
    assert store.apply([one for name in names for one in work(name, name)]) == ()
    assert sorted(store.names()) == sorted(names)
    for name in names:
        assert_page(store, name, name)
    gone = [one for name in names[:20] for one in work(name, None, stands(name))]
    assert store.apply(gone) == ()
    assert sorted(store.names()) == sorted(names[20:])


@pytest.mark.parametrize("codecs", [(), ("gzip",), ALL])
def test_siblings_come_and_go(store: Store, codecs: tuple[str, ...]) -> None:
    store.apply(work("demo", "one", codecs=("gzip", "br")))
    assert there(store) == with_siblings("gzip", "br")
    store.apply(work("demo", "one", stands("one", ("gzip", "br")), codecs))
    assert there(store) == with_siblings(*codecs)
    store.apply(work("demo", "two", stands("one", codecs), ("gzip",)))
    assert there(store) == with_siblings("gzip")
    assert_page(store, "two")
    store.apply(work("demo", None, stands("two", ("gzip",))))
    assert there(store) == set()


@pytest.mark.rule("R1")
def test_a_run_that_died_is_tidied_up_after(store: Store) -> None:
    store.apply(work("demo", "old", codecs=ALL))
    store.apply(work("demo", "new", None, ("br",), dirty=True))
    assert there(store) == with_siblings("br")
    assert_page(store, "new")


BLANKS = b" " * 2000  # so that a compressed copy is worth having


def forms(text: str) -> list[ListForm]:
    json = f'{{"meta":{{"api-version":"1.4","_last-serial":9}},"projects":["{text}"]}}'.encode()
    json += BLANKS
    return [
        ListForm("index.v1_json", lambda: [json[:9], json[9:]]),
        ListForm("index.html", lambda: [b"<p>", text.encode(), BLANKS]),
    ]


@pytest.mark.parametrize("codecs", [(), ("gzip",), ALL])
def test_list_of_projects(store: Store, codecs: tuple[str, ...]) -> None:
    store.write_list(forms("one"), ("gzip", "br"))
    assert there(store, None) == with_siblings("gzip", "br")
    store.write_list(forms("two"), codecs)
    assert there(store, None) == with_siblings(*codecs)
    for filename in TWIN_NAMES:
        assert store.read(None, filename) == b"<p>two" + BLANKS
    assert b"two" in (store.read(None, "index.v1_json") or b"")
    for filename in FORMS:
        packed = store.read(None, filename + ".gz")
        assert (packed is not None) == ("gzip" in codecs)
        assert packed is None or gzip.decompress(packed) == store.read(None, filename)
    assert store.published_list().serial == 9 and list(store.names()) == []


def test_one_list_is_told_from_another(store: Store) -> None:
    seen = []
    for text in ("one", "two", "six"):  # of one size, in one second
        store.write_list(forms(text), ())
        stands = store.published_list()
        assert stands == store.published_list()
        store.apply(work("demo", text))
        assert stands == store.published_list()
        seen.append(stands.stamp)
    assert len({*seen, ""}) == 4


def test_the_list_and_the_pages_leave_each_other_alone(store: Store) -> None:
    store.apply(work("demo", "one"))
    store.write_list(forms("demo"), ())
    store.apply(work("demo", None, stands("one")))
    assert there(store, None) == set(FORMS)


def test_serial_wherever_it_stands_in_the_page(store: Store) -> None:
    store.apply(work("demo", "one"))
    assert store.serial("demo") == 7
    store.write_list(
        [
            ListForm(
                "index.v1_json",
                lambda: [b'{"projects":[', b" " * 9000, b'],"meta":{"_last-serial":"12"}}'],
            )
        ],
        (),
    )
    assert store.published_list().serial == 12


def of_serial(form: str, serial: int) -> bytes:
    """Return a form of a page, as we or others write it."""
    if form == "index.v1_json":
        return rendered("x" * 1000, serial).json
    if form == "index.legacy_json":
        text = '\\"last_serial\\":99 <!--SERIAL 99-->'
        return f'{{"info":{{"yanked_reason":"{text}"}},"last_serial":{serial}}}'.encode()
    return b"<p>%b</p><!--SERIAL %d-->\n" % (b" " * 9000, serial)


@pytest.mark.parametrize("codec", ["", *ALL])
@pytest.mark.parametrize("form", ["index.v1_json", "index.html", "index.legacy_json"])
def test_the_newest_file_tells_the_serial_of_a_project(store: Store, form: str, codec: str) -> None:
    """A run that died has replaced some files, in whatever order it worked."""

    def put(serial: int, *forms: str, codecs: tuple[str, ...] = ("",)) -> None:
        works = [
            FormUpdate(
                filename=one,
                body=of_serial(one, serial) if "" in codecs else None,
                copies=tuple((c, compress(c, of_serial(one, serial))) for c in codecs if c),
            )
            for one in forms
        ]
        assert (
            store.apply([WriteProject(name="demo", forms=tuple(works), remove_leftovers=False)])
            == ()
        )

    every = ("index.legacy_json", "index.v1_json", "index.html")
    put(5, *every, codecs=("", *ALL))
    assert store.apply(work("other", "one")) == ()
    assert store.serial("demo") == 5
    put(12, form, codecs=(codec,))
    assert store.serial("demo") == 12
    assert list(store.serials(["other", "demo", "none"])) == [7, 12, None]


def test_a_damaged_sibling_tells_as_much_as_can_be_read_of_it(store: Store) -> None:
    page = compress("gzip", of_serial("index.v1_json", 12))
    for body, serial in ((b"not packed", 7), (page[:-9], 12), (b"", 7)):
        form = FormUpdate(filename="index.v1_json", copies=(("gzip", body),))
        assert store.apply(work("demo", "one", dirty=True)) == ()
        assert store.apply([WriteProject(name="demo", forms=(form,), remove_leftovers=False)]) == ()
        assert store.serial("demo") == serial


@pytest.mark.parametrize(
    ("head", "serial"),
    [
        (b'{"meta":{"api-version":"1.4","_last-serial":123},', 123),
        (b'{"meta": {"_last-serial": "5"}}', 5),
        (b'{"meta":{"api-version":"1.4"},"files":[]}', None),
        (b'{"_last-serial":5}', None),
        (b"", None),
        (b"\xff\xfe garbage", None),
        (b'{"meta":{"_last-serial":12', None),  # more may follow
        (b'{"meta":{},"x":"<!--SERIAL 9-->"}', None),
        (b"<p></p>\n<!--SERIAL 12-->\n", 12),
        (b"<p>&lt;!--SERIAL 9--></p>", None),
    ],
)
def test_serial_in(head: bytes, serial: int | None) -> None:
    assert serial_in(head) == serial


def test_memory_keeps_the_order_siblings_before_their_page(tmp_path: Path) -> None:
    store = MemoryStore()
    store.apply(work("demo", "one", codecs=("gzip",)))
    for filename in FORMS:
        page, sibling = f"simple/demo/{filename}", f"simple/demo/{filename}.gz"
        assert store.writes.index(sibling) < store.writes.index(page)
    assert store.free_space() is None


def other(path: str, body: bytes) -> OutputFile:
    return OutputFile(path, layout.Headers("text/plain", "no-cache"), lambda: (body[:2], body[2:]))


def test_files_beside_the_pages(store: Store) -> None:
    base = layout.WITHDRAWALS
    paths = [f"{base}/feed.atom", f"{base}/project/demo/feed.atom", f"{base}/project/x/feed.atom"]
    assert list(store.list_files(base)) == [] and store.read_file(paths[0]) is None
    assert store.file_digest(paths[0]) is None
    assert store.file_chunks(paths[0]) is None
    store.write_files(other(path, path.encode()) for path in paths)
    assert sorted(store.list_files(base)) == sorted(paths)
    store.write_files([other(paths[0], b""), other(paths[1], b"new")])
    long = b"long" * (1 << 19)
    store.write_files([other(f"{base}/long", long)])
    assert store.read_file(f"{base}/long") == long
    store.delete_files([f"{base}/long"])
    assert [store.read_file(path) for path in paths] == [b"", b"new", paths[2].encode()]
    assert store.file_digest(paths[1]) == digest(b"new")
    assert b"".join(store.file_chunks(paths[1]) or ()) == b"new"
    assert there(store) == there(store, None) == set()
    assert list(store.names()) == []
    store.delete_files([paths[1], paths[2], f"{base}/none"])
    assert list(store.list_files(base)) == paths[:1]
    store.delete_files(paths)
    assert list(store.list_files(base)) == []
