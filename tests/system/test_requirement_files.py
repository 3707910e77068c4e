"""Requirements files: what of them is a pin, and where it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from yanksync.core.errors import InputFileError
from yanksync.core.pins import Pin
from yanksync.system.pin_files import read_pin_files

HARD = """\
# a comment
--index-url https://upstream.example/simple/
--require-hashes
Demo[extra] == 1.0 ; python_version >= "3.8" \\
    --hash=sha256:AA \\
    --hash=sha512:bb
other===2004d  # because
wild==1.*
both>=1,==1.5.0
free>=2
-e ./mine
away @ https://files.example/away-1.0.zip
-r more/base.txt
-c ${CONSTRAINTS}/limits.txt
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to stand in, so that paths are as short as a user writes them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def in_short(pin: Pin) -> tuple[str, str, str, str, int | None]:
    return (pin.project, pin.operator, pin.version, pin.path, pin.line)


def test_a_hard_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSTRAINTS", "limits")
    write(home / "requirements.txt", HARD)
    write(home / "more" / "base.txt", "\ufeffbase==3\n-r ../requirements.txt\n-r deep.txt\n")
    write(home / "more" / "deep.txt", "deep==4+cpu\n")
    write(home / "limits" / "limits.txt", "\n\nlimit==5\n")
    found = read_pin_files(["requirements.txt"], [])
    assert [in_short(pin) for pin in found.pins] == [
        ("demo", "==", "1.0", "requirements.txt", 4),
        ("other", "===", "2004d", "requirements.txt", 7),
        ("both", "==", "1.5.0", "requirements.txt", 9),
        ("base", "==", "3", "more/base.txt", 1),
        ("limit", "==", "5", "limits/limits.txt", 3),
        ("deep", "==", "4+cpu", "more/deep.txt", 1),
    ]
    demo = found.pins[0]
    assert demo.marker == 'python_version >= "3.8"'
    assert [one.hashes for one in demo.files] == [(("sha256", "aa"),), (("sha512", "bb"),)]
    assert found.skipped == 4


def test_a_file_named_twice_is_read_once(home: Path) -> None:
    write(home / "a.txt", "demo==1\n")
    write(home / "b.txt", "-r a.txt\n")
    assert len(read_pin_files(["a.txt", "b.txt"], []).pins) == 1


def test_an_included_file_has_its_plain_path(home: Path) -> None:
    write(home / "more" / "a.txt", "-r ../b.txt\n")
    write(home / "b.txt", "demo==1\n")
    assert [pin.path for pin in read_pin_files(["more/a.txt"], []).pins] == ["b.txt"]


def test_an_option_that_is_not_known_is_passed_over(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(home / "a.txt", "--brand-new=1\ndemo==1\n")
    assert len(read_pin_files(["a.txt"], []).pins) == 1
    assert "a.txt:1: the option" in caplog.text


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("demo==1\nwhat is this\n", "a.txt:2", "is no requirement"),
        ("demo==${VERSION}\n", "a.txt:1", "is no requirement"),
        ("-r gone.txt\n", "gone.txt", "cannot be read: No such file"),
        ("-r https://upstream.example/r.txt\n", "a.txt:1", "from an address"),
        ("-r .\n", ".", "cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_read_is_refused(home: Path, text: str, where: str, problem: str) -> None:
    write(home / "a.txt", text)
    with pytest.raises(InputFileError, match=problem) as caught:
        read_pin_files(["a.txt"], [])
    assert caught.value.where == where


def test_a_file_is_known_by_its_name(home: Path) -> None:
    write(home / "pins", "demo==1\n")
    with pytest.raises(InputFileError, match="not known by its name"):
        read_pin_files(["pins"], [])
    assert [pin.path for pin in read_pin_files([], ["pins"]).pins] == ["pins"]
    write(home / "uv.lock", "version = 9\n")
    with pytest.raises(InputFileError, match=r"uv\.lock: has version '9' of its format"):
        read_pin_files(["uv.lock"], [])
    with pytest.raises(InputFileError, match="No such file"):
        read_pin_files(["gone/poetry.lock"], [])
    with pytest.raises(InputFileError, match="cannot be read"):
        read_pin_files(["a\0b.txt"], [])


def test_bytes_that_are_no_text_are_refused(home: Path) -> None:
    (home / "a.txt").write_bytes(b"# -*- coding: nonsense -*-\ndemo==1\n")
    with pytest.raises(InputFileError, match="cannot be read"):
        read_pin_files(["a.txt"], [])


def test_without_the_extra_it_says_what_to_install(home: Path) -> None:
    write(home / "a.txt", "demo==1\n")
    script = (
        "import sys; sys.modules['pip_requirements_parser'] = None\n"
        "from yanksync.system.pin_files import read_pin_files\n"
        "read_pin_files(['a.txt'], [])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert "pip install 'yanksync[audit]'" in done.stderr
