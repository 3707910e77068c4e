"""scripts/bench: its upstream has PyPI's shapes, and a small run of it measures what it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from yanksync.core.formats.parse import PageRules, parse_page
from yanksync.core.names import normalize

SCRIPTS = Path(__file__).parents[1] / "scripts"
JSON = "application/vnd.pypi.simple.v1+json"


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    make = "import benchlib.generate as g, pathlib, sys; g.upstream_files(pathlib.Path(sys.argv[1])"
    _python("-c", f"{make}, 7, 400)", str(cache))
    (made,) = cache.iterdir()
    return made


def test_shapes_are_those_of_pypi(upstream: Path) -> None:
    facts = json.loads((upstream / "facts.json").read_text())
    pages = [json.loads(path.read_bytes()) for path in (upstream / "simple").glob("*.v1_json")]
    files = [file for page in pages for file in page["files"]]
    releases = sum(len(page["versions"]) for page in pages)
    yanked = {
        (page["name"], file["upload-time"].partition(".")[0])  # one second is one release
        for page in pages
        for file in page["files"]
        if file["yanked"]
    }
    assert len(pages) == 400
    assert facts["files"] == len(files)
    assert 4 <= facts["median"] <= 5
    assert 15 <= len(files) / 400 <= 22
    assert 0.01 <= len(yanked) / releases <= 0.02
    assert {True} < {file["yanked"] for file in files if file["yanked"]}


def test_pages_are_read_without_remarks_and_alike_in_both_forms(upstream: Path) -> None:
    for path in sorted((upstream / "simple").glob("*.v1_json"))[:50]:
        name = normalize(path.name.removesuffix(".v1_json"))
        assert name is not None
        url = f"https://upstream.example/simple/{name}/"
        read = parse_page(path.read_bytes(), JSON, url, name, PageRules())
        html = path.with_suffix(".html").read_bytes()
        other = parse_page(html, "text/html", url, name, PageRules())
        assert read.warnings == ()
        assert [(f.filename, f.yanked) for f in read.page.files] == [
            (f.filename, f.yanked) for f in other.page.files
        ]


# How many pages a pass asks for, of the 40 there are.
PAGES = {"cold": 40, "cold-gzip": 40, "empty": 0, "withdrawals": 40, "history": 1, "big-pages": 4}
PAGES |= {"removals": 1, "list-add": 1}


@pytest.mark.skipif(
    not Path("/usr/sbin/nginx").exists() or shutil.which("curl") is None,
    reason="nginx and curl are needed",
)
def test_a_small_run(tmp_path: Path) -> None:
    out, table, work = tmp_path / "bench.json", tmp_path / "table.rst", tmp_path / "work"
    run = _python(
        *("-m", "benchlib", "--projects", "40", "--repeat", "1", "--json", str(out)),
        *("--cache-dir", str(tmp_path / "cache"), "--work-dir", str(work), "--table", str(table)),
        *("--scenario", *PAGES, "--names", "100", "--many", "50", "--no-peers"),
        *("--set", "upstream.journal_interval=0.0"),
    )
    runs: dict[str, dict[str, list[dict[str, Any]]]]
    runs = json.loads(out.read_text())["outcomes"][0]["runs"]
    assert [
        taken["note"] for tools in runs.values() for each in tools.values() for taken in each
    ] == [""] * 11
    asked = {scenario: [run["pages"] for run in runs[scenario]["yanksync"]] for scenario in runs}
    assert asked == {scenario: [pages] for scenario, pages in PAGES.items()}
    assert [taken["pages"] for taken in runs["cold"]["curl + tar"]] == [40]
    assert "÷ floor" in run.stdout
    _check_table(table.read_text())
    assert not (work / "yanksync").exists()


def _check_table(text: str) -> None:
    head, *rows = re.split(r"\n   \* - ", text)
    assert head.startswith(".. list-table:: 40 projects, ")
    assert "scripts/bench --projects" in " ".join(head.split())
    columns = [re.split(r"\n     - ?", row.rstrip()) for row in rows]
    assert columns[0][:5] == ["pass", "tool", "wall s", "÷ floor", "CPU s"]
    assert "kernel s" in columns[0]
    assert {(row[0], row[1]) for row in columns} >= {("cold", "curl + tar"), ("empty", "yanksync")}
    assert {len(row) for row in columns} == {len(columns[0])}
