"""``verify``: what became of each finding, and how upstream differs."""

from __future__ import annotations

import re
import shutil

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault


def test_what_a_guard_holds_is_not_corrected(synced: Cli) -> None:
    simple = synced.output / "simple"
    for number in range(4):
        shutil.copytree(simple / "demo", simple / f"ghost{number}")
    (simple / "demo/index.html").unlink()
    done = synced("verify", "--repair")
    assert done.code == 4
    held = "held: 4 unexplained removals in one pass, of "
    lines = done.out.splitlines()
    assert "missing  simple/demo/index.html  corrected" in lines
    start = f"  not corrected: {held}"
    assert len([line for line in lines if re.match(rf"extra  simple/ghost\d/{start}", line)]) == 4
    assert lines[-1].endswith("; 1 corrected, 4 not corrected")


def test_outcomes_as_json(synced: Cli) -> None:
    (synced.output / "simple/demo/index.html").unlink()
    (synced.output / "simple/index.html").write_text("gone")
    found = synced("verify", "--json").json
    assert {row["corrected"] for row in found["findings"]} == {None}
    found = synced("verify", "--repair", "--json").json
    assert {row["path"] for row in found["findings"] if row["corrected"]} >= {
        "simple/demo/index.html", "simple/index.html",
    }  # fmt: skip
    assert (found["corrected"], found["uncorrected"]) == (len(found["findings"]), 0)


def test_what_upstream_does_not_answer_for_is_not_corrected(
    synced: Cli, upstream: FakeUpstream
) -> None:
    upstream.fail("^/simple/other/", Fault.status(500), times=None)
    done = synced("verify", "--upstream", "--repair")
    assert done.code == 1
    assert "/simple/other/" in done.out and "  not corrected: " in done.out
    assert done.out.splitlines()[-1].endswith("; 0 corrected, 1 not corrected")


def test_it_says_how_upstream_differs(synced: Cli, upstream: FakeUpstream) -> None:
    def doctor(page: dict[str, object]) -> dict[str, object]:
        files = page["files"]
        assert isinstance(files, list)
        if page["name"] == "other":
            return {**page, "files": files[1:]}
        changed = [
            {**files[0], "yanked": "bad | build"},
            {**files[1], "requires-python": ">=3.13", "hashes": {"sha256": "0" * 64}},
        ]
        return {**page, "files": changed, "project-status": {"status": "archived"}}

    upstream.doctor = doctor
    done = synced("verify", "--upstream")
    assert done.code == 1
    # Answers come in any order.
    demo, other = sorted(line for line in done.out.splitlines() if line.startswith("upstream"))
    assert "/simple/demo/: its page differs: status archived, here active; " in demo
    assert "demo-1.0.tar.gz is yanked ('bad | build'), here not yanked; " in demo
    assert "other hashes: demo-2.0.tar.gz; other requires-python: demo-2.0.tar.gz" in demo
    assert other.endswith("files that upstream lacks: other-1.0.tar.gz")


def test_it_says_what_a_repair_brings(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.archive("demo")
    done = synced("verify", "--upstream", "--repair")
    assert done.code == 0
    (line,) = [line for line in done.out.splitlines() if line.startswith("upstream")]
    assert "status archived, here active" in line and line.endswith("  corrected")


def test_an_altered_package_file_is_named_and_out_of_service(yanksync: Cli) -> None:
    yanksync.config.write_text(yanksync.config.read_text() + '[mirror]\nfiles = "copy"\n')
    assert yanksync("sync").code == 0
    file = next((yanksync.output / "packages").rglob("*.tar.gz"))
    file.write_bytes(b"planted".ljust(file.stat().st_size))
    done = yanksync("verify", "--hash", "--rate", "50MiB")
    path = file.relative_to(yanksync.output)
    assert (done.code, file.exists()) == (1, False)
    assert f"altered  {path}: its sha256 is not that of the page" in done.out.splitlines()
    assert "and 4 package files checked: 1 difference, " in done.out
    assert "the next pass downloads it again; the altered bytes are kept in" in done.err


def test_reading_package_files_needs_some(synced: Cli) -> None:
    done = synced("verify", "--hash")
    assert (done.code, 'mirror.files is not "copy"' in done.err) == (2, True)
    assert synced("verify", "--rate", "1MiB").code == 2
    done = synced("verify", "--hash", "--rate", "fast")
    assert (done.code, 'or a size like "32MiB"' in done.err) == (2, True)
