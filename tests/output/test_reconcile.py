"""Stage 7, pure: create, replace, delete or leave alone; and the siblings."""

from __future__ import annotations

import gzip

import brotli
import pytest
import zstandard

from tests.support.builders.works import ALL, rendered, stands, work, write
from yanksync.core import layout
from yanksync.core.model import PublishedForms
from yanksync.output.compress import compress, compress_chunks
from yanksync.output.digests import digest
from yanksync.output.reconcile import RemoveProject, WriteProject

OPENERS = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
}


@pytest.mark.parametrize(
    ("before", "wanted", "dirty", "outcome"),
    [
        pytest.param(None, "one", False, WriteProject, id="create"),
        pytest.param(stands("one"), "two", False, WriteProject, id="replace"),
        pytest.param(stands("one"), None, False, RemoveProject, id="delete"),
        pytest.param(stands("one"), "one", False, None, id="leave-alone"),
        pytest.param(None, None, False, None, id="never-was-there"),
        pytest.param(None, None, True, RemoveProject, id="died-before-the-first-write"),
        pytest.param(stands("one"), "one", True, WriteProject, id="died-while-writing"),
    ],
)
def test_table(
    before: PublishedForms | None, wanted: str | None, dirty: bool, outcome: type | None
) -> None:
    works = work("demo", wanted, before, dirty=dirty)
    assert [type(one) for one in works] == ([] if outcome is None else [outcome])
    for one in works:
        if isinstance(one, WriteProject):
            assert one.remove_leftovers is dirty
            assert {form.filename for form in one.forms} == {"index.html", "index.v1_json"}
            assert all(form.body is not None for form in one.forms)


def test_a_form_that_stays_the_same_is_left_alone() -> None:
    html_only = PublishedForms(json=b"other", html=digest(rendered("one").html))
    assert [form.filename for form in write("demo", "one", html_only).forms] == ["index.v1_json"]


@pytest.mark.parametrize(
    ("before", "codecs", "written", "dropped"),
    [
        pytest.param((), ("gzip",), ("gzip",), (), id="added"),
        pytest.param(("gzip",), ("gzip", "br"), ("br",), (), id="one-more"),
        pytest.param(("gzip", "br"), ("br",), (), ("gzip",), id="dropped"),
        pytest.param(("gzip",), ("zstd",), ("zstd",), ("gzip",), id="exchanged"),
    ],
)
def test_siblings_of_a_page_that_stays(
    before: tuple[str, ...], codecs: tuple[str, ...], written: tuple[str, ...], dropped: object
) -> None:
    for form in write("demo", "one", stands("one", before), codecs).forms:
        assert form.body is None
        assert tuple(codec for codec, _ in form.copies) == written
        assert form.remove == dropped


def test_a_new_page_never_keeps_an_old_sibling() -> None:
    for form in write("demo", "two", stands("one", ("gzip", "br")), ("gzip",)).forms:
        assert form.body is not None
        assert tuple(codec for codec, _ in form.copies) == ("gzip",)
        assert form.remove == ("br",)


@pytest.mark.parametrize("codec", ALL)
def test_siblings_are_the_same_bytes_in_every_run(codec: str) -> None:
    body = b"<p>page</p>" * 1000
    whole = compress(codec, body)
    assert whole == compress(codec, body) and len(whole) < len(body)
    assert OPENERS[codec](whole) == body


@pytest.mark.parametrize("chunks", [[], [b""], [b"a" * 300_000, b"", b"b" * 300_000]])
@pytest.mark.parametrize("codec", ALL)
def test_streamed_siblings(codec: str, chunks: list[bytes]) -> None:
    assert OPENERS[codec](b"".join(compress_chunks(codec, chunks))) == b"".join(chunks)


def test_layout() -> None:
    assert layout.aliases("index.v1_json") == ("index.v1_json",)
    assert len(set(layout.filenames())) == 16
    assert layout.directory("demo") == "simple/demo" and layout.directory(None) == "simple"
    assert layout.temporary_name("index.html").startswith(".")
