"""README.rst and docs/ say what the code does: commands, options, keys, defaults, shapes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import click
import docutils.nodes
import msgspec
import pytest
from click.testing import CliRunner

from tests.support.documents import PAGES, all_blocks, parsed, sections, text_of
from tests.support.source_copy import ROOT
from yanksync.adopt.results import AdoptOutcome as Fates
from yanksync.adopt.results import AdoptResult, AdoptSummary
from yanksync.cli import COMMANDS, cli
from yanksync.cli.adopt import counts_object as counts_of_adoption
from yanksync.cli.display.held import held_object
from yanksync.cli.display.history_rows import history_object
from yanksync.cli.display.report_rows import row_object
from yanksync.cli.reports.verify import counts_object, outcome_object
from yanksync.config.keys import KEYS
from yanksync.config.load import load
from yanksync.config.settings import Settings
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import HistoryAction
from yanksync.core.names import normalize
from yanksync.core.rules.fetch_plan import PassPlan
from yanksync.output.comparison import Finding, FindingKind
from yanksync.service import metrics
from yanksync.state.history import HistoryRow
from yanksync.state.views.holds import HeldItem
from yanksync.state.views.status import Status
from yanksync.sync.hooks.deliver import webhook_message
from yanksync.verify.check import CheckSummary

# What users read; the pages for contributors name options of other programs.
TEXT = "\n".join(text_of(name) for name in PAGES if not name.startswith("docs/design/"))
DOCUMENTS = (*PAGES, "CONTRIBUTING.rst", "RATIONALE.rst", "CHANGELOG.rst")
GENERATED = {"docs/reference/commands.rst"}


def table(heading: str) -> dict[str, list[str]]:
    """Return the table whose first column has this heading: first cell → the other cells."""
    for found in chain.from_iterable(parsed(name).findall(docutils.nodes.table) for name in PAGES):
        rows = [
            [entry.astext() for entry in row.findall(docutils.nodes.entry)]
            for row in found.findall(docutils.nodes.row)
        ]
        if rows[0][0] == heading:
            return {row[0]: row[1:] for row in rows[1:]}
    raise AssertionError(f"no table {heading}")


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
    yield "yanksync", cli


def options() -> set[str]:
    found = {"--help"}
    for _, command in commands():
        for parameter in command.params:
            found.update(option for option in parameter.opts if option.startswith("--"))
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_render(name: str) -> None:
    assert parsed(name).astext()


def test_no_page_is_long() -> None:
    lines = {name: text_of(name).count("\n") for name in PAGES}
    assert lines.pop("README.rst") <= 150
    assert {name for name, count in lines.items() if count > 300} <= GENERATED


def test_help_texts_are_those_of_the_commands_and_the_pages_build_without_a_warning() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/docs", "--check"], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert re.findall(r"^\.\. help: (\S+)$", TEXT, re.MULTILINE) == ["yanksync", *COMMANDS]


UNRUN = {  # what each of these sections says of itself
    "yanksync": "stays in .demo/ to be looked at",
    "Prove it": "everything, in minutes",
    "Measure it": "5,000 projects, the median of three",
    "What is published": "<output>/simple/index.html",
    "How it works": "finish -> journal",
    "The steps of a pass": "0 finish -> 1 journal",
}
HELP = {"Commands", *COMMANDS}


def has_blocks(section: docutils.nodes.section) -> bool:
    """Return whether a literal block is in this section, and in none below it."""
    for block in section.findall(docutils.nodes.literal_block):
        around: docutils.nodes.Element | None = block.parent
        while around is not None and not isinstance(around, docutils.nodes.section):
            around = around.parent
        if around is section:
            return True
    return False


def test_every_section_with_something_to_type_is_run_by_a_test() -> None:
    tests = [
        *(ROOT / "tests/e2e").glob("test_readme*.py"),
        ROOT / "tests/sync/hooks/test_manifest.py",
    ]
    tests += (ROOT / "tests/container").glob("test_*.py")
    run = "".join(path.read_text(encoding="utf-8") for path in tests)
    for section in sections():
        title = section[0].astext()
        if not has_blocks(section):
            continue
        if title in UNRUN:
            assert UNRUN[title] in section.astext().replace("\n", " ")
        elif title not in HELP:
            assert f'SECTIONS["{title}"]' in run, title


def test_options_are_the_real_ones() -> None:
    others = r"^ +(podman|systemctl|useradd|cut|sed|tar|curl) (.*\\\n)*.*$"
    ours = re.sub(others, "", TEXT, flags=re.MULTILINE)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours))
    assert named == options() | {"--version"}


def test_commands_are_the_real_ones() -> None:
    named = set(re.findall(r"^ +yanksync ([a-z][a-z-]*)", TEXT, re.MULTILINE))
    named |= set(re.findall(r"``yanksync ([a-z-]+)", TEXT))
    assert named == set(COMMANDS)


EXAMPLES = [
    line.partition("  ")[0]  # then says what it does
    for line in re.findall(r"^ +yanksync ((?:--config \S+ )?[a-z].*)$", TEXT, re.MULTILINE)
]


@pytest.mark.parametrize("arguments", sorted(set(EXAMPLES)))
def test_examples_are_understood(arguments: str) -> None:
    # An unknown command or option is noticed before --help is.
    done = CliRunner().invoke(cli, [*shlex.split(arguments), "--help"])
    assert done.exit_code == 0, done.output


def test_every_key_is_told_with_its_variable() -> None:
    rows = table("Key")
    assert list(rows) == list(KEYS)
    for key, (variable, *_) in rows.items():
        assert variable == KEYS[key].variable == "YANKSYNC_" + key.replace(".", "_").upper()


SPOKEN = {
    "upstream.simple_url": "what pip uses",
    "upstream.journal_url": "from simple_url",
    "schedule.cron": "none",
    "hooks.webhook": "none",
    "hooks.webhook_header": "none",
    "hooks.manifest": "none",
    "health.metrics": "none",
    "health.ping": "none",
}


@pytest.mark.parametrize(("key", "cells"), table("Key").items())
def test_defaults_are_the_real_ones(key: str, cells: list[str]) -> None:
    section, _, name = key.partition(".")
    told = cells[2]
    found = default(section, name)
    if key in SPOKEN:
        assert (told, found, KEYS[key].default) == (SPOKEN[key], None, None)
        return
    value = tomllib.loads(f"value = {told}")["value"]
    check = KEYS[key].type.check
    assert check(value) == check(KEYS[key].default) == found


def default(section: str, name: str) -> Any:
    settings = Settings()
    if name in ("projects", "exclude"):
        return getattr(settings.mirror.selection, name)
    return getattr(getattr(settings, section), name)


def test_exit_codes_are_the_real_ones() -> None:
    assert list(table("Code")) == [str(code) for code in ExitCode]


def test_status_and_history_have_these_keys() -> None:
    assert set(table("Status key")) == set(msgspec.structs.asdict(Status()))
    name = normalize("demo")
    assert name is not None
    row = HistoryRow(
        serial=1,
        timestamp=0,
        project=name,
        version="1.0",
        action=HistoryAction.YANK,
        file=None,
        files=("a",),
        reason="",
        source="journal",
    )
    assert set(table("History key")) == set(history_object(row))


def test_holds_and_plans_have_these_keys() -> None:
    held = HeldItem(project=None, what="journal", why="", since=0.0, approve="")
    assert set(table("Hold key")) == set(held_object(held))
    assert set(table("Plan key")) == set(msgspec.structs.asdict(PassPlan(cursor=None)))


def test_a_webhook_has_these_keys() -> None:
    assert set(table("Webhook key")) == set(webhook_message(["demo"], 1))


def test_metrics_are_the_real_ones() -> None:
    assert list(table("Metric")) == [f"yanksync_{name}" for name in metrics.HELP]
    causes = set(re.findall(r"[a-z-]+", table("Metric")["yanksync_failures_total"][0]))
    assert set(metrics.CAUSES) <= causes


def test_verify_has_these_keys_and_kinds() -> None:
    assert set(table("Verify key")) == {"findings", *counts_object(CheckSummary())}
    finding = Finding(kind=FindingKind.MISSING, project=None, path="")
    assert set(table("Finding key")) == {*row_object(finding), *outcome_object(None)}
    assert list(table("Kind")) == [str(kind) for kind in FindingKind]


def test_adopt_has_these_keys_and_kinds() -> None:
    assert list(table("Fate")) == [str(kind) for kind in Fates]
    adopted = AdoptSummary(exit_code=ExitCode.DONE, counts=Counter(), lacks=())
    counts = {*counts_of_adoption(adopted)} - {str(kind) for kind in Fates}
    assert set(table("Adopt key")) == {"fates", "kept …", *counts}
    assert set(row_object(AdoptResult(kind=Fates.KEPT, project=None, path=""))) == {
        *("kind", "project", "path", "detail")
    }


def test_actions_are_the_real_ones() -> None:
    told = re.findall(r"[a-z]+", table("History key")["action"][0])
    assert set(told) - {"or"} == {action.value for action in HistoryAction}


@pytest.mark.parametrize("text", all_blocks("toml"))
def test_examples_of_a_configuration_load(text: str, tmp_path: Path) -> None:
    path = tmp_path / "yanksync.toml"
    path.write_text(text)
    assert load(path, {}).upstream.simple_url == "https://upstream.example/simple/"


def test_paths_that_are_named_exist() -> None:
    named = set(re.findall(r"(?<![\w./])(?:scripts|cron)/[\w.]+", TEXT))
    assert {"scripts/demo", "scripts/test", "scripts/docs"} <= named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_no_registry_host_is_named_anywhere() -> None:
    pattern = r"https?://[a-z.]*(" + "py" + r"pi|pythonhosted|npmjs)[a-z]*[.][a-z]+"
    done = subprocess.run(
        ["git", "grep", "-nIE", pattern, "--", "."], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode == 128:
        pytest.skip("no git checkout")
    assert done.stdout == ""


def test_contributing_shows_each_package() -> None:
    text = (ROOT / "CONTRIBUTING.rst").read_text()
    table = text.partition("How the code is laid out")[2].partition("docs/design/code-map.rst")[0]
    packages = {
        f"{init.parent.relative_to(ROOT / 'yanksync')}/"
        for init in (ROOT / "yanksync").rglob("*/__init__.py")
    }
    told = set(re.findall(r"``([a-z_/]+/)``", table))
    told |= {"state/queues/", "state/views/", "output/disk/", "output/object_storage/"} & {
        f"{top}/{name}" for top in ("state", "output") for name in told
    }
    assert packages <= told


def test_contributing_names_files_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.rst").read_text()
    named = set(re.findall(r"``((?:[a-z_]+/)+[a-z0-9_]+\.py)``", text))
    gone = [
        path
        for path in named
        if not (ROOT / path).exists() and not (ROOT / "yanksync" / path).exists()
    ]
    assert named and gone == []


def test_no_file_cites_what_is_not_in_the_repository() -> None:
    outside = re.compile(
        r"[a-z-]+\.md\b|spec-checklist|\bfacts? [0-9]|[(\"# ][A-G][0-9]{1,2}(?=[,:)]|$)",
        re.MULTILINE,
    )
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    for name in listed:
        path = ROOT / name
        if path.suffix in (".py", ".rst", ".cfg") and path != Path(__file__):
            found = outside.findall(path.read_text(encoding="utf-8"))
            assert found == [], name
