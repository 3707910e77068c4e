"""``yanksync compare``: the table, the exit codes, the messages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builders.upstreams import two_projects
from tests.support.cli_runner import Cli
from tests.support.fake_index.index import Served, serve


@pytest.fixture(scope="module")
def withdrawn(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A mirror that has seen a yank and a removal, and ``before``: its output of the time before.

    It is only read.
    """
    upstream = two_projects()
    with serve(upstream) as served:
        mirror = Cli(tmp_path_factory.mktemp("withdrawn"), served.simple_url)
        assert mirror("sync").code == 0
        shutil.copytree(mirror.output, mirror.home / "before")
        upstream.yank("demo", "1.0", "bad\x1b[31m")
        upstream.remove_project("other")
        assert mirror("sync").code == 0
    return mirror


@pytest.fixture(scope="module")
def late() -> Iterator[Served]:
    """An index that has not seen the withdrawals."""
    with serve(two_projects()) as served:
        yield served


def test_the_table_names_what_the_index_does_not_show(withdrawn: Cli, late: Served) -> None:
    url = late.simple_url.replace("//", "//me:secret@")
    done = withdrawn("compare", url, "--rate", "1000")
    assert (done.code, done.err) == (
        1,
        "yanksync: 2 findings: the index does not show what the state knows\n",
    )
    shown = url.replace("me:secret", "***")
    assert "secret" not in done.out
    assert [line.split() for line in done.out.splitlines()[:3]] == [
        ["FINDING", "PROJECT", "SINCE", "DETAIL"],
        ["mark-missing", "demo", "1.0", "2023-11-14", "bad\\x1b[31m"],
        ["removed-offered", "other", "2023-11-14"],
    ]
    _, _, _, counts, serials, since, oldest = done.out.splitlines()
    assert counts == f"2 of 2 projects of {shown} compared: 2 findings, 2 notes"
    assert serials.endswith(" behind")
    assert since.endswith("Z") and oldest.endswith("Z")
    assert "\nbehind" in withdrawn("compare", url, "-v").out
    assert all("Authorization" in str(one.headers).title() for one in late.upstream.requests)


def test_a_directory_is_compared(withdrawn: Cli) -> None:
    done = withdrawn("compare", (withdrawn.home / "before").as_uri(), "--json")
    assert (done.code, done.json["findings"]) == (1, 2)
    done = withdrawn("compare", "mirror")
    assert (done.code, done.err) == (0, "")
    assert "0 findings" in done.out


def test_one_finding_is_no_plural(withdrawn: Cli, tmp_path: Path) -> None:
    shutil.copytree(withdrawn.output / "simple", tmp_path / "simple")
    shutil.copytree(withdrawn.home / "before/simple/other", tmp_path / "simple/other")
    done = withdrawn("compare", str(tmp_path / "simple"))
    assert (done.code, done.err.partition(":")[2]) == (
        1,
        " 1 finding: the index does not show what the state knows\n",
    )
    assert ": 1 finding, " in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("http://127.0.0.1:9/simple/",), 1, "no connection"),
        (("nothing",), 1, "nothing: there is no such directory; nothing was compared"),
        ((".",), 1, "there is no index: neither a list of projects nor a page of one"),
        (("ftp://proxy.example/",), 2, "the command line: URL: "),
        (("http://[::1/simple/",), 2, "the command line: URL: must be"),
        (("",), 2, "the command line: URL: must be"),
        (("http://proxy.example/simple/",), 2, "the command line: URL: plain http needs upstream"),
        (("https://proxy.example/", "--rate", "0"), 2, "--rate"),
        (("https://proxy.example/", "--rate", "nan"), 2, "write a number of pages"),
    ],
)
def test_what_cannot_be_compared(
    withdrawn: Cli, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = withdrawn("compare", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_without_a_state_there_is_nothing_to_compare(yanksync: Cli, tmp_path: Path) -> None:
    done = yanksync("compare", str(tmp_path))
    assert (done.code, done.out) == (1, "")
    assert "no mirror here yet" in done.err
    assert not yanksync.state.exists()


def test_progress_is_shown_on_a_terminal(withdrawn: Cli, late: Served) -> None:
    code, out, err = withdrawn.on_terminal("compare", late.simple_url, "--all", "--rate", "1")
    assert code == 1
    assert "mark-missing" in out
    assert "comparing" in err
