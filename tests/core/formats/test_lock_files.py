"""Readers of lock files: each format, its versions, and what is no pin."""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.random_pages import CALM
from tests.support.lock_samples import PDM, PDM_42, PIPFILE, POETRY, POETRY_1, PYLOCK, UV
from yanksync.core.formats.lock_files.read import reader_of
from yanksync.core.formats.reader_rules import InvalidDocument
from yanksync.core.pins import Pin, PinOperator, PinSet


def read(name: str, text: str) -> PinSet:
    reader = reader_of(name)
    assert reader is not None
    return reader(text.encode())


def only(name: str, text: str) -> Pin:
    (pin,) = read(name, text).pins
    return pin


def in_short(pin: Pin) -> tuple[str, str, str, int | None, str | None, str | None]:
    return (pin.project, pin.version, pin.operator, pin.line, pin.marker, pin.python)


def files(pin: Pin) -> list[tuple[str | None, str]]:
    return [(one.filename, ",".join(f"{a}:{d}" for a, d in one.hashes)) for one in pin.files]


def test_uv() -> None:
    found = read("uv.lock", UV)
    assert [in_short(pin) for pin in found.pins] == [
        (
            *("demo", "1.1", "locked", 6),
            "python_full_version < '3.12' or sys_platform == 'linux'",
            "3.11",
        ),
        ("other-thing", "2.0+cpu", "locked", 27, None, "3.11"),
    ]
    assert files(found.pins[0]) == [
        ("demo-1.1.tar.gz", "sha256:aa"),
        ("demo-1.1+x-py3-none-any.whl", "sha256:bb"),
        ("demo-1.1-py2-none-any.whl", ""),
    ]
    assert found.skipped == 2


def test_poetry() -> None:
    found = read("poetry.lock", POETRY)
    assert [in_short(pin) for pin in found.pins] == [
        ("demo", "1.1", "locked", 3, "sys_platform == 'win32'", None),
        ("other", "2.0", "locked", 16, None, None),
    ]
    assert files(found.pins[0]) == [("demo-1.1.tar.gz", "sha256:aa")]
    assert found.skipped == 1


def test_the_first_format_of_poetry() -> None:
    pin = only("poetry.lock", POETRY_1)
    assert in_short(pin) == ("demo", "1.1", "locked", 2, None, "3.8")
    assert files(pin) == [("demo-1.1.tar.gz", "sha256:aa")]


def test_pdm_has_a_package_once_though_its_extras_stand_beside_it() -> None:
    found = read("pdm.lock", PDM)
    assert [in_short(pin) for pin in found.pins] == [
        ("demo", "1.1", "locked", 9, "os_name == 'nt'", "3.10")
    ]
    assert files(found.pins[0]) == [
        ("demo-1.1.tar.gz", "sha256:aa"),
        ("demo-1.1-py3-none-any.whl", "sha256:bb"),
    ]
    assert found.skipped == 1


def test_pdm_kept_the_hashes_apart_once() -> None:
    assert files(only("pdm.lock", PDM_42)) == [("demo-1.1.tar.gz", "sha256:aa")]


def test_pipfile() -> None:
    found = read("Pipfile.lock", PIPFILE)
    assert [in_short(pin) for pin in found.pins] == [
        ("demo", "1.1", "==", 8, "python_version >= '3.7'", "3.11"),
        ("other", "2004d", "===", 17, None, "3.11"),
    ]
    assert files(found.pins[0]) == [(None, "sha256:aa"), (None, "sha256:bb")]
    assert found.skipped == 2


def test_an_older_packaging_reads_no_pylock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.pylock", None)
    with pytest.raises(InvalidDocument, match="pip install 'packaging>=26'"):
        read("pylock.toml", PYLOCK)


@pytest.mark.parametrize("name", ["pylock.toml", "pylock.dev.toml"])
def test_pylock(name: str) -> None:
    if find_spec("packaging.pylock") is None:  # as with the lowest version that setup.cfg allows
        with pytest.raises(InvalidDocument, match="older version"):
            read(name, PYLOCK)
        return
    found = read(name, PYLOCK)
    assert [in_short(pin) for pin in found.pins] == [
        ("demo", "1.1", "locked", 6, 'sys_platform == "linux"', "3.12")
    ]
    assert files(found.pins[0]) == [
        ("demo-1.1-py3-none-any.whl", "sha256:bb"),
        ("demo-1.1.tar.gz", "sha256:aa"),
    ]
    assert found.skipped == 1


@pytest.mark.parametrize("name", ["requirements.txt", "pylock.a.b.toml", "cargo.lock", "uv.toml"])
def test_other_names_have_no_reader(name: str) -> None:
    assert reader_of(name) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", UV.replace("version = 1\n", "version = 2\n", 1)),
        ("poetry.lock", POETRY.replace('"2.1"', '"3.0"')),
        ("poetry.lock", POETRY.replace('lock-version = "2.1"\n', "")),
        ("pdm.lock", PDM.replace('"4.5.0"', '"5.0"')),
        ("Pipfile.lock", PIPFILE.replace('spec": 6', 'spec": 7')),
        ("Pipfile.lock", PIPFILE.replace('"pipfile-spec": 6,', "")),
        ("pylock.toml", PYLOCK.replace('"1.0"', '"2.0"')),
    ],
)
def test_an_unknown_major_version_of_the_format_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidDocument, match="version"):
        read(name, text)


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"])
@pytest.mark.parametrize(
    "text",
    ["", "version = ", "package = 1", '[[package]]\nname = ""\nversion = "1"', "a = " + "[" * 9999],
)
def test_what_is_no_lock_file_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidDocument):
        read(name, text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"_meta": {"pipfile-spec": 6}, "default": 1}'])
def test_what_is_no_pipfile_lock_is_refused(text: str) -> None:
    with pytest.raises(InvalidDocument):
        read("Pipfile.lock", text)


@pytest.mark.parametrize("text", ["[]", "3", ""])
def test_a_pipfile_lock_is_read_as_json(text: str) -> None:
    with pytest.raises(InvalidDocument) as error:
        read("Pipfile.lock", text)
    assert "line " not in str(error.value)  # as tomllib counts


@pytest.mark.parametrize(("name", "text"), [("uv.lock", UV), ("pdm.lock", PDM)])
@pytest.mark.parametrize(
    ("url", "filename"),
    [
        ("https://[broken/demo-1.1.zip", "demo-1.1.zip"),
        ("https://files.example/demo-1.1.zip?x=/1#sha256=/a", "demo-1.1.zip"),
        ("https://files.example", None),
    ],
)
def test_the_url_of_a_file_names_it(name: str, text: str, url: str, filename: str | None) -> None:
    changed = re.sub(r'url = "https://files[^"]*whl"', f'url = "{url}"', text, count=1)
    assert filename in [one for one, _ in files(read(name, changed).pins[0])]


def test_a_text_that_looks_like_a_table_costs_the_lines() -> None:
    text = UV + 'x = """\n[[package]]\n"""\n'
    assert {pin.line for pin in read("uv.lock", text).pins} == {None}


NAMES = ["uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml"]
TEXTS = [UV, POETRY, PDM, PIPFILE, PYLOCK]


@CALM
@given(
    which=st.sampled_from(list(zip(NAMES, TEXTS, strict=True))),
    at=st.integers(0, 900),
    cut=st.integers(0, 40),
    new=st.one_of(st.binary(max_size=8), st.sampled_from([b'"', b"[[package]]\n", b"\xff", b"{"])),
)
def test_a_damaged_file_is_read_or_refused(
    which: tuple[str, str], at: int, cut: int, new: bytes
) -> None:
    name, text = which
    body = text.encode()
    reader = reader_of(name)
    assert reader is not None
    try:
        found = reader(body[:at] + new + body[at + cut :])
    except InvalidDocument:
        return
    assert all(isinstance(pin.operator, PinOperator) and pin.project for pin in found.pins)
    json.dumps([pin.version for pin in found.pins])
