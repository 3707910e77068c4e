"""``yanksync exposure`` as an operator starts it: options, output, exit codes."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, serve

LINE = '{0} - - [{1}] "GET /files/{2} HTTP/1.1" 200 10 "-" "pip/26.3"\n'
BEFORE, AFTER = "01/Jan/2020:00:00:00 +0000", "01/Jan/2026:02:00:00 +0200"
LOG = "".join(
    LINE.format(address, time, name)
    for address, time, name in (
        ("192.0.2.1", BEFORE, "demo-1.0.tar.gz"),
        ("192.0.2.1", AFTER, "demo-1.0.tar.gz"),
        ("192.0.2.2", AFTER, "demo-1.0.tar.gz"),
        ("192.0.2.2", AFTER, "demo-2.0.tar.gz"),
        ("192.0.2.2", AFTER, "demo-tools-1.0.tar.gz"),
        ("192.0.2.3", AFTER, "gone-1.0.tar.gz"),
        ("192.0.2.3", AFTER, "nobody-1.0.tar.gz"),
        ("192.0.2.3", AFTER, "sick-1.0-py3-none-any.whl"),
    )
)


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A mirror that has seen withdrawals, and a log; both are only read."""
    upstream = FakeUpstream()
    for name, version in (("demo", "1.0"), ("demo", "2.0"), ("gone", "1.0"), ("demo-tools", "1.0")):
        upstream.upload(name, version)
    upstream.upload("sick", "1.0", "sick-1.0-py3-none-any.whl")
    with serve(upstream) as served:
        yanksync = Cli(tmp_path_factory.mktemp("exposed"), served.simple_url)
        assert yanksync("sync").code == 0
        upstream.yank("demo", "1.0", "bad \x1b[31m")
        upstream.remove_project("gone")
        upstream.quarantine_project("sick")
        assert yanksync("sync").code == 0
    (yanksync.home / "access.log").write_text(LOG)
    (yanksync.home / "access.log.1.gz").write_bytes(gzip.compress(LOG.encode()))
    (yanksync.home / "odd.log").write_text(f"nonsense\n{LOG}")
    (yanksync.home / "key").write_bytes(b"k" * 32)
    return yanksync


def test_the_table_counts_requests_and_clients(exposed: Cli) -> None:
    done = exposed("exposure", "access.log")
    assert (done.code, done.err) == (0, "")
    head, *rows, last = (line.split("  ") for line in done.out.splitlines())
    cells = [[cell.strip() for cell in row if cell] for row in rows]
    assert [cell.strip() for cell in head if cell] == [
        *("FILE", "WITHDRAWN", "SINCE", "BEFORE", "AFTER", "UNCHANGED")
    ]
    assert [[row[0], row[1], *row[3:]] for row in cells] == [
        ["demo-1.0.tar.gz", "yank", "1 by 1", "2 by 2", "0"],
        ["gone-1.0.tar.gz", "remove", "0", "1 by 1", "0"],
        ["sick-1.0-py3-none-any.whl", "quarantine", "0", "1 by 1", "0"],
    ]
    assert {row[2][:10] for row in cells} == {"2023-11-14"}
    assert last == [
        "8 lines with 8 requests for files: 3 withdrawn files fetched, 4 times after the withdrawal"
    ]


def test_addresses_are_hashed_unless_they_are_asked_for(exposed: Cli) -> None:
    """Without a key file each run has other names."""
    names = []
    for options in ((), (), ("--key-file", "key"), ("--key-file", "key"), ("--show-addresses",)):
        done = exposed("exposure", "access.log", "--project", "demo", "--clients", *options)
        assert done.code == 0
        assert ("192.0.2." in done.out) is (options == ("--show-addresses",))
        names.append([line.split()[0] for line in done.out.splitlines() if line.startswith("  ")])
    assert names[4] == ["192.0.2.1", "192.0.2.2"]
    assert names[2] == names[3] != names[0] != names[1]
    assert {len(name) for some in names[:4] for name in some} == {16}


def test_a_mistyped_project_is_told(exposed: Cli) -> None:
    done = exposed("exposure", "access.log", "--project", "dmeo", "--project", "x*")
    assert done.code == 0
    told = "dmeo: the mirror knows no such project; did you mean 'demo'?"
    assert done.err.splitlines()[0] == f"yanksync: {told}"


def test_json_has_the_clients_and_the_exact_reason(exposed: Cli) -> None:
    done = exposed("exposure", "access.log", "access.log.1.gz", "--show-addresses", "--json")
    demo, *others = done.json["files"]
    assert demo.pop("since").startswith("2023-11-14T")
    assert demo.pop("clients") == [
        {
            "client": "192.0.2.1",
            "before": 2,
            "after": 2,
            "unchanged": 0,
            "last": "2026-01-01T00:00:00Z",
        },
        {
            "client": "192.0.2.2",
            "before": 0,
            "after": 2,
            "unchanged": 0,
            "last": "2026-01-01T00:00:00Z",
        },
    ]
    assert demo == {
        "project": "demo",
        "version": "1.0",
        "filename": "demo-1.0.tar.gz",
        "action": "yank",
        "reason": "bad \x1b[31m",
        "before": {"requests": 2, "clients": 1},
        "after": {"requests": 4, "clients": 2},
        "unchanged": 0,
        "partial": 0,
    }
    assert [one["project"] for one in others] == ["gone", "sick"]


def test_what_is_left_out(exposed: Cli) -> None:
    done = exposed("exposure", "odd.log", "--project", "g*", "--since", "2025-01-01", "--json")
    assert done.code == 0
    assert [one["project"] for one in done.json["files"]] == ["gone"]
    assert (done.json["lines"], done.json["skipped"]) == (9, 1)
    assert done.json["since"] == "2025-01-01T00:00:00Z"
    assert done.err == (
        "yanksync: 1 of 9 lines are in no known format, and were skipped; the first is odd.log:1\n"
    )
    assert exposed("-q", "exposure", "odd.log").err == ""


def test_a_log_that_breaks_off_is_told(exposed: Cli) -> None:
    (exposed.home / "half.gz").write_bytes(gzip.compress(LOG.encode())[:-9])
    done = exposed("exposure", "half.gz", "access.log", "--json")
    assert done.code == 1
    assert "half.gz: is damaged, and was not read to its end" in done.err
    assert json.loads(done.out)["files"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Missing argument 'ACCESS_LOG...'"),
        (["nowhere.log"], "nowhere.log: cannot be read: No such file or directory"),
        (["access.log", "--project", "!"], "'!'"),
        (["access.log", "--since", "soon"], "'soon' is neither a date"),
        (["access.log", "--key-file", "nowhere"], "nowhere cannot be read"),
        (["access.log", "--key-file", "short"], "short has 3 bytes, and a key needs 16"),
    ],
)
def test_wrong_usage_ends_with_2(exposed: Cli, arguments: list[str], told: str) -> None:
    (exposed.home / "short").write_text("abc")
    done = exposed("exposure", *arguments)
    assert (done.code, done.out) == (2, "")
    assert told in " ".join(done.err.split())


def test_without_a_mirror_nothing_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = Cli(tmp_path_factory.mktemp("elsewhere"), None)
    (elsewhere.home / "access.log").write_text(LOG)
    done = elsewhere("exposure", "access.log")
    assert (done.code, done.out) == (1, "")
    assert "no mirror here yet" in done.err
