"""``yanksync audit`` as a user or a CI job starts it: files, sources, formats, exit codes."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import venv
from pathlib import PurePath

import pytest
import yaml
from junitparser import Failure, JUnitXml, Skipped

from tests.reports.test_event_judgement import event
from tests.reports.test_log_source import publish
from tests.support.cli_runner import Cli, Done
from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.source_copy import ROOT
from yanksync.core.formats.lock_files.read import reader_of

REASON = "bad\x1b[31m | [x](http://evil.example) `a` {0}\r\n::error::<b>%0A"
PINS = """\
demo==1.0
# a comment
gone==1.0 ; python_version > "3"
other==2
free>=1
"""
PDM = '[metadata]\nlock_version = "4.5.0"\n[[package]]\nname = "demo"\nversion = "1.0"\n'
FORMATS = ("table", "json", "sarif", "junit", "github", "markdown")


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A mirror that has seen a yank and a removal, and requirements with both; it is only read."""
    upstream = FakeUpstream()
    for version in ("1.0", "1.1", "2.0"):
        upstream.upload("demo", version)
    upstream.upload("other", "2.0")
    upstream.upload("gone", "1.0")
    with serve(upstream) as served:
        yanksync = Cli(tmp_path_factory.mktemp("audited"), served.simple_url)
        assert yanksync("sync").code == 0
        upstream.yank("demo", "1.0", REASON)
        upstream.remove_project("gone")
        assert yanksync("sync").code == 0
    files = {
        "requirements.txt": PINS,
        "fine.txt": "other==2.0\n",
        "free.txt": "demo>1\n",
        "setup.cfg": "",
        "uv.lock": "version = 7\n",
        "poetry.lock": "[",
        "pdm.lock": PDM,
    }
    for name, text in files.items():
        (yanksync.home / name).write_text(text)
    return yanksync


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The program in a directory without configuration and state."""
    return Cli(tmp_path_factory.mktemp("elsewhere"), None)


def rows(done: Done) -> dict[str, list[str]]:
    """Return the kinds of findings by project, of a report in JSON."""
    return {row["project"]: [one["kind"] for one in row["findings"]] for row in done.json["pins"]}


def report(yanksync: Cli, form: str, *more: str) -> str:
    done = yanksync("audit", "requirements.txt", "--format", form, *more)
    assert done.code == 1
    assert done.err == "yanksync: 2 of 3 pins are not fine\n"
    return done.out


def test_the_table_has_all_findings_and_no_control_character(audited: Cli) -> None:
    out = report(audited, "table")
    assert [re.split(r"  +", line)[:5] for line in out.splitlines()[:-1]] == [
        ["WHERE", "PIN", "FINDING", "SINCE", "NEAREST"],
        ["requirements.txt:1", "demo==1.0", "yanked", "2023-11-14", "1.1"],
        ["requirements.txt:3", "gone==1.0", "project-gone", "2023-11-14", "-"],
    ]
    assert "bad\\x1b[31m" in out
    assert "\x1b" not in out
    assert out.splitlines()[-1] == (
        f"3 pins judged by the state {audited.state}: 2 with findings; "
        "1 without an exact version of an index, not judged"
    )


def test_json_is_a_format(audited: Cli) -> None:
    text = report(audited, "json")
    assert audited("audit", "requirements.txt", "--json").out == text


def test_the_json_has_the_exact_reason_and_every_pin(audited: Cli) -> None:
    found = json.loads(report(audited, "json"))
    demo, gone, other = found["pins"]
    assert demo["findings"][0].pop("since").startswith("2023-11-14T")
    assert demo == {
        "project": "demo",
        "version": "1.0",
        "operator": "==",
        "path": "requirements.txt",
        "line": 1,
        "marker": None,
        "findings": [
            {
                "kind": "yanked",
                "reason": REASON,
                "files": [],
                "hashes": [],
                "rule": None,
                "until": None,
            }
        ],
        "nearest": "1.1",
        "ignored": False,
        "fails": True,
    }
    assert gone["marker"] == 'python_version > "3"'
    assert (other["findings"], other["fails"]) == ([], False)
    assert (found["failures"], found["skipped"]) == (2, 1)


def check_sarif(text: str) -> None:
    """Compare with the schema of SARIF 2.1.0, of which these classes are made."""
    from fluidattacks_core.sarif import SarifLog  # it takes longer than all else that is collected

    SarifLog.model_validate_json(text)


def test_the_sarif_is_valid_and_points_into_the_file(audited: Cli) -> None:
    text = report(audited, "sarif", "--ignore", "other==2.0")
    check_sarif(text)
    (run,) = json.loads(text)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == 9
    yanked, gone = run["results"]
    assert yanked["properties"]["reason"] == REASON
    assert "\\[x\\]" in yanked["message"]["text"]
    assert "{{0}}" in yanked["message"]["text"]
    assert [rules[one["ruleIndex"]] for one in (yanked, gone)] == ["yanked", "project-gone"]
    place = gone["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "requirements.txt"},
        "region": {"startLine": 3},
    }


def test_sarif_and_junit_tell_what_does_not_count_apart(audited: Cli) -> None:
    only = ("--ignore", "demo==1", "--fail-on", "yanked")
    done = audited("audit", "requirements.txt", "--format", "sarif", *only)
    check_sarif(done.out)
    results = json.loads(done.out)["runs"][0]["results"]
    assert [(one["level"], "suppressions" in one) for one in results] == [
        ("note", True),
        ("note", False),
    ]
    done = audited("audit", "requirements.txt", "--format", "junit", *only)
    (suite,) = JUnitXml.fromstring(done.out.encode())
    assert (done.code, suite.failures, suite.skipped) == (0, 0, 2)


def test_the_junit_is_read_back(audited: Cli) -> None:
    (suite,) = JUnitXml.fromstring(report(audited, "junit").encode())
    assert (suite.name, suite.tests, suite.failures) == ("requirements.txt", 3, 2)
    demo, gone, other = suite
    assert (demo.name, demo.classname) == ("demo==1.0", "requirements.txt")
    (failure,) = demo.result
    assert isinstance(failure, Failure)
    assert "bad\\x1b[31m" in failure.message
    assert [one.type for one in gone.result] == ["project-gone"]
    assert list(other.result) == []
    assert not any(isinstance(one, Skipped) for case in suite for one in case.result)


def test_the_annotations_are_one_line_each(audited: Cli) -> None:
    lines = report(audited, "github").splitlines()
    assert [line.partition("::")[2].partition("::")[0] for line in lines] == [
        "error file=requirements.txt,line=1,title=demo 1.0%3A yanked",
        "error file=requirements.txt,line=3,title=gone 1.0%3A project-gone",
    ]
    assert "<b>%250A" in lines[0]


def test_markdown_keeps_foreign_text_a_text(audited: Cli) -> None:
    head, rule, demo, gone, blank, last = report(audited, "markdown").splitlines()
    assert (head.count("|"), rule.count("|"), blank) == (7, 7, "")
    assert len(re.findall(r"(?<!\\)\|", demo)) == 7
    assert r"\[x\]\(http\:\/\/evil\.example\)" in demo
    assert r"\<b\>" in demo
    assert "project\\-gone" in gone
    assert last.startswith("3 pins judged by")


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_without_findings_is_a_report(audited: Cli, form: str) -> None:
    done = audited("audit", "fine.txt", "--format", form)
    assert (done.code, done.err) == (0, "")
    assert done.out or form == "github"


def test_the_report_goes_into_a_file(audited: Cli) -> None:
    done = audited("audit", "requirements.txt", "--format", "json", "-o", "audit.json")
    assert (done.code, done.out) == (1, "")
    assert len(json.loads((audited.home / "audit.json").read_text())["pins"]) == 3
    done = audited("-q", "audit", "requirements.txt", "-o", "requirements.txt/audit")
    assert done.code == 2
    assert "there is no directory" in done.err
    assert not (audited.home / "missing").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 1),
        (("--fail-on", "removed,quarantined"), 0),
        (("--fail-on", "yanked, removed"), 1),
        (("--ignore", "demo==1.0.0"), 1),
        (("--ignore", "demo==1.0", "--ignore", "GONE==1.0@2999-12-31"), 0),
        (("--ignore", "demo==1.0", "--ignore", "gone==1.0@2026-01-01"), 1),
        (("--ignore", "demo==2.0", "--fail-on", "yanked"), 1),
    ],
)
def test_what_fails(audited: Cli, options: tuple[str, ...], code: int) -> None:
    done = audited("audit", "requirements.txt", "--format", "json", *options)
    assert done.code == code
    assert rows(done) == {"demo": ["yanked"], "gone": ["project-gone"], "other": []}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a lock file"),
        (("gone.txt",), "gone.txt: cannot be read: No such file"),
        (("setup.cfg",), "is not known by its name"),
        (("free.txt",), "no pins found in free.txt; requirements and packages"),
        (("uv.lock",), "uv.lock: has version '7' of its format"),
        (("poetry.lock",), "poetry.lock: cannot be read"),
        (("requirements.txt", "--fail-on", "what"), "'what' is no kind of finding"),
        (("requirements.txt", "--ignore", "demo"), "'demo' is no pin"),
        (("requirements.txt", "--ignore", "demo==1@soon"), "'soon' is no date"),
        (("requirements.txt", "--index", "nonsense"), "the command line: --index: "),
        (("requirements.txt", "-o", "missing/report"), "missing; make it first"),
        (("requirements.txt", "--withdrawals", "nonsense"), "the command line: --withdrawals: "),
        (("fine.txt", "--withdrawals", "x", "--index", "x"), "exclude each other"),
        (("--installed", "/no/python"), "/no/python: cannot be started"),
        (("--installed", "/bin/true"), "/bin/true: did not say what is installed"),
    ],
)
def test_wrong_usage_ends_with_2(audited: Cli, arguments: tuple[str, ...], message: str) -> None:
    done = audited("audit", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_without_a_state_it_says_what_to_name(elsewhere: Cli) -> None:
    (elsewhere.home / "requirements.txt").write_text("demo==1\n")
    done = elsewhere("audit", "requirements.txt")
    assert done.code == 2
    assert (
        "Name the configuration of a mirror with --config, an index with --index, or a mirror"
        in (" ".join(done.err.split()))
    )
    assert [path.name for path in elsewhere.home.iterdir()] == ["requirements.txt"]


@pytest.mark.parametrize("form", ["json", "html"])
def test_any_index_is_asked_without_configuration_and_state(
    elsewhere: Cli, upstream: FakeUpstream, served: Served, form: str
) -> None:
    upstream.yank("demo", "1.0", "<bad>")
    upstream.quarantine_project("other")
    upstream.html_only = form == "html"
    (elsewhere.home / "yanksync.toml").write_text("this is no configuration")
    (elsewhere.home / "pins.in").write_text("demo==1\nother==2\nnever==1\ndemo==2.0\n")
    done = elsewhere("audit", "pins.in", "--index", served.simple_url, "--format", "json")
    assert done.code == 1
    assert [[one["kind"] for one in row["findings"]] for row in done.json["pins"]] == [
        ["yanked"],
        ["quarantined"],
        ["project-gone"],
        [],
    ]
    assert done.json["pins"][0]["findings"][0]["reason"] == "<bad>"
    assert done.json["source"] == f"the index {served.simple_url}"
    assert not (elsewhere.home / "yanksync.db").exists()


def test_what_a_library_logs_is_a_line_of_the_program(elsewhere: Cli, served: Served) -> None:
    url = "https://files.example/demo-1.0-py3-none-any.whl"
    wheel = f'[[packages.wheels]]\nurl = "{url}"\nhashes = {{ md5 = "0" }}\n'
    head = 'lock-version = "1.9"\ncreated-by = "test"\n'
    demo = f'[[packages]]\nname = "demo"\nversion = "1.0"\n{wheel}'
    (elsewhere.home / "pylock.toml").write_text(head + demo)
    done = elsewhere("audit", "pylock.toml", "--index", served.simple_url)
    warning = "yanksync: warning: pylock minor version 1.9 is not supported"
    assert done.err.splitlines()[0] == warning


def test_the_log_of_a_mirror_is_asked_without_configuration_and_state(
    elsewhere: Cli, upstream: FakeUpstream, served: Served
) -> None:
    publish(upstream, [event("yank", 1, reason=REASON)])
    (elsewhere.home / "yanksync.toml").write_text("this is no configuration")
    (elsewhere.home / "pins.txt").write_text("demo==1\nother==2\n")
    done = elsewhere("audit", "pins.txt", "--withdrawals", served.root_url, "--format", "json")
    assert (done.code, done.err) == (1, "yanksync: 1 of 2 pins are not fine\n")
    assert rows(done) == {"demo": ["yanked"], "other": []}
    (finding,) = done.json["pins"][0]["findings"]
    assert (finding["reason"], finding["since"]) == (REASON, "1970-01-01T00:00:01Z")
    assert done.json["source"] == (f"the log of {served.root_url}withdrawals/ (epoch 1, 1 events)")
    assert not (elsewhere.home / "yanksync.db").exists()


@pytest.mark.rule("R7")
def test_an_address_without_a_log_judges_nothing(elsewhere: Cli, served: Served) -> None:
    (elsewhere.home / "pins.txt").write_text("demo==1\n")
    url = served.root_url.replace("//", "//me:secret@")
    done = elsewhere("audit", "pins.txt", "--withdrawals", url)
    assert (done.code, done.out) == (2, "")
    assert "there is no log of withdrawals" in done.err and "secret" not in done.err


@pytest.mark.rule("R7")
def test_an_address_that_is_no_index_is_no_removal(elsewhere: Cli, served: Served) -> None:
    (elsewhere.home / "pins.txt").write_text("demo==1\n")
    done = elsewhere("audit", "pins.txt", "--index", f"{served.root_url}nothing/")
    assert (done.code, done.out) == (2, "")
    assert "there is no index" in done.err
    done = elsewhere("audit", "pins.txt", "--index", "http://127.0.0.1:9/simple/")
    assert (done.code, done.out) == (2, "")
    assert "no connection" in done.err and "nothing was judged" in done.err


@pytest.mark.rule("R7")
def test_a_front_page_is_no_index_and_no_removal(
    elsewhere: Cli, upstream: FakeUpstream, served: Served
) -> None:
    (elsewhere.home / "pins.txt").write_text("demo==1\n")
    upstream.fail("^/$", Fault.status(200))
    done = elsewhere("audit", "pins.txt", "--index", served.root_url)
    assert (done.code, done.out) == (2, "")
    assert f"Set --index to {served.simple_url}; nothing was judged" in done.err


def test_a_corrupt_state_judges_nothing(elsewhere: Cli, served: Served) -> None:
    (elsewhere.home / "pins.txt").write_text("demo==1\n")
    (elsewhere.home / "yanksync.db").write_bytes(b"no database, and never was one" * 100)
    done = elsewhere("audit", "pins.txt", YANKSYNC_UPSTREAM_SIMPLE_URL=served.simple_url)
    assert (done.code, done.out) == (2, "")
    assert "nothing was judged" in done.err


def test_an_environment_is_judged(audited: Cli, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("venv")
    venv.create(place, symlinks=True)
    site = next(place.glob("lib/python*/site-packages"))
    for name, version, direct in (("Demo", "1.0", False), ("mine", "1", True)):
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        if direct:
            (info / "direct_url.json").write_text("{}")
    python = str(place / "bin" / "python")
    for arguments, environ in (
        ((f"--installed={python}",), {}),
        (("--installed",), {"VIRTUAL_ENV": str(place)}),
    ):
        done = audited("audit", "--format", "json", *arguments, PYTHONPATH="", **environ)
        assert done.code == 1
        (row,) = done.json["pins"]
        assert (row["project"], row["path"], row["line"]) == ("demo", None, None)
        assert [one["kind"] for one in row["findings"]] == ["yanked"]
        assert done.json["skipped"] == 1
    done = audited("audit", "--format", "sarif", f"--installed={python}")
    check_sarif(done.out)
    table = audited("audit", f"--installed={python}").out
    assert table.splitlines()[1].startswith("installed  demo==1.0  yanked")


def test_a_hash_is_compared(audited: Cli) -> None:
    page = json.loads((audited.output / "simple/other/index.v1_json").read_text())
    right, wrong = page["files"][0]["hashes"]["sha256"], "0" * 64
    (audited.home / "hashed").write_text(
        f"other==2.0 --hash=sha256:{right} --hash=sha256:{wrong}\n"
    )
    done = audited("audit", "-r", "hashed", "--format", "json")
    (finding,) = done.json["pins"][0]["findings"]
    assert (finding["kind"], finding["hashes"]) == ("hash-mismatch", [f"sha256:{wrong}"])


def test_the_state_is_only_read(audited: Cli) -> None:
    before = audited.content()
    audited.state.chmod(0o444)
    assert audited("audit", "requirements.txt").code == 1
    audited.state.chmod(0o644)
    assert audited.content() == before


def test_the_extra_is_not_needed_for_lock_files(audited: Cli) -> None:
    missing = audited.home / "without"
    missing.mkdir()
    (missing / "pip_requirements_parser.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join([str(missing), *filter(None, sys.path)])
    assert audited("audit", "pdm.lock", PYTHONPATH=path).code == 1
    done = audited("audit", "requirements.txt", PYTHONPATH=path)
    assert done.code == 2
    assert "pip install 'yanksync[audit]'" in done.err


def test_the_hook_for_pre_commit_runs_on_the_files_that_are_read() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["id"], hook["entry"]) == ("yanksync-audit", "yanksync audit")
    read = ["pylock.toml", "a/pylock.dev.toml", "uv.lock", "b/c/poetry.lock", "pdm.lock"]
    read += ["Pipfile.lock", "requirements.txt", "d/requirements-dev.txt"]
    assert [name for name in read if re.search(hook["files"], name)] == read
    other = ["pyproject.toml", "requirements.py", "my-uv.locked", "Cargo.lock", "notes.txt"]
    assert not [name for name in other if re.search(hook["files"], name)]
    assert all(reader_of(PurePath(name).name) or name.endswith(".txt") for name in read)


def test_what_the_mirror_itself_hides_is_told(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.clock = int(time.time())
    upstream.upload("demo", "1.1")
    override = 'match = "demo==2.0"\naction = "yank"\nreason = "not\\u001b here"'
    rules = f'[cooldown]\nage = "7d"\n\n[[override]]\n{override}\n'
    synced.config.write_text(synced.config.read_text() + rules)
    done = synced("sync")
    assert done.code == 0, done.err
    (synced.home / "pins.txt").write_text("demo==1.0\ndemo==1.1\ndemo==2.0\n")
    done = synced("audit", "pins.txt", "--format", "json")
    assert done.code == 1, done.err
    fine, young, marked = ([*row["findings"]] for row in done.json["pins"])
    assert fine == []
    assert [(one["kind"], one["rule"]) for one in young] == [("too-young", "cooldown.age")]
    assert [(one["kind"], one["rule"], one["reason"]) for one in marked] == [
        ("overridden", "override demo==2.0", "not\x1b here")
    ]
    assert [row["nearest"] for row in done.json["pins"]] == [None, "1.0", None]
    table = synced("audit", "pins.txt").out
    assert "cooldown.age until 20" in table
    assert "override demo==2.0: not\\x1b here" in table
