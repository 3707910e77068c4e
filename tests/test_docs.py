"""README.rst and docs/ say what the code does: commands, options, keys, defaults, shapes."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import click
import docutils.nodes
import pytest
import yaml
from click.testing import CliRunner

from tests.support.documents import PAGES, blocks, parsed, text_of
from tests.support.source_copy import ROOT
from yanksync.adopt.results import AdoptOutcome
from yanksync.cli import COMMANDS, cli
from yanksync.cli.display.held import KINDS
from yanksync.config.keys import KEYS
from yanksync.config.load import load
from yanksync.output.comparison import FindingKind
from yanksync.reports.audit.findings import FindingKind as AuditKind
from yanksync.reports.compare.differences import NOTES, DifferenceKind

# What users read; the pages for contributors name options of other programs.
TEXT = "\n".join(text_of(name) for name in PAGES if not name.startswith("docs/design/"))
DOCUMENTS = (*PAGES, "CONTRIBUTING.rst", "RATIONALE.rst", "CHANGELOG.rst")
GENERATED = {f"docs/reference/{name}.rst" for name in ("commands", "configuration", "json")}


def table(heading: str) -> dict[str, list[str]]:
    """Return the table whose first column has this heading: first cell → the other cells."""
    pages = (parsed(name) for name in PAGES if heading in text_of(name))
    for found in chain.from_iterable(page.findall(docutils.nodes.table) for page in pages):
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


@cache
def options() -> set[str]:
    found = {"--help"}
    for _, command in commands():
        for parameter in command.params:
            found.update(option for option in parameter.opts if option.startswith("--"))
    return found


@pytest.mark.parametrize("name", DOCUMENTS[len(PAGES) :])
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
    pages = re.findall(r"^\.\. help: (\S+)$", TEXT, re.MULTILINE)
    assert [name for name in pages if "/" not in name] == ["yanksync", *COMMANDS]
    parts = [f"{name}/{part}" for name, one in commands() for part in getattr(one, "commands", ())]
    assert sorted(name for name in pages if "/" in name) == sorted(parts)


@pytest.mark.parametrize("name", PAGES)
def test_blocks_can_be_read(name: str) -> None:
    """Check that the page renders and its blocks parse.

    Blocks with a language parse. Plain blocks hide no command.
    """
    for block in blocks(parsed(name), "json"):
        json.loads(block)
    for block in blocks(parsed(name), "yaml"):
        yaml.safe_load(block)
    for block in blocks(parsed(name), "ini"):
        configparser.ConfigParser().read_string(block)
    for node in parsed(name).findall(docutils.nodes.literal_block):
        if name not in GENERATED and "sh" not in node["classes"]:
            assert not re.search(r"^ *([$#] )?(sudo )?(yanksync|systemctl|pip) ", node.astext())


def test_the_glossary_is_short() -> None:
    terms = list(parsed("docs/glossary.rst").findall(docutils.nodes.term))
    assert 10 < len(terms) <= 20


QUESTIONS = {  # where README leads within two clicks, and what is said there
    "what is it": ("README.rst", "keeps a static mirror of a Python package index"),
    "how do I start": ("README.rst", "yanksync init /etc"),
    "is a yanked release still offered": ("docs/explanation/yanks.rst", "Yes, with its mark"),
    "how do I know": ("docs/explanation/yanks.rst", "yanksync history demo"),
    "why was this held": ("docs/how-to/handle-a-hold.rst", "See what is held, and why"),
    "what does exit 3 mean": ("docs/reference/exit-codes.rst", "``3``"),
    "where is a yank recorded in the code": ("docs/design/code-map.rst", "a yank recorded?"),
}


def clicks(name: str) -> set[str]:
    """Return the pages to which a page links."""
    links = re.findall(r"<([\w/.-]+\.rst)>`_", text_of(name))
    docs = re.findall(r":doc:`(?:[^`<]*<)?/?([^`>]+)>?`", text_of(name))
    here = Path(name).parent
    near = {str(here / link) for link in (*links, *(f"{one}.rst" for one in docs))}
    return near | {f"docs/{one}.rst" for one in docs}


def test_links_of_readme_exist() -> None:
    links = re.findall(r"<([\w/.-]+\.rst)>`_", text_of("README.rst"))
    assert links and [link for link in links if not (ROOT / link).is_file()] == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_two_clicks_answer(question: str) -> None:
    page, answer = QUESTIONS[question]
    one = clicks("README.rst") & set(PAGES)
    two = {link for name in one for link in clicks(name)}
    assert page in {"README.rst"} | one | two
    assert answer in " ".join(text_of(page).split())


COMMAND = re.compile(r"(?:^|[;&|(] *|-- |bin/)yanksync (?!/)([^|;&>\n)]*)", re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_commands_and_options_are_understood(name: str) -> None:
    """In shell blocks, and in the text."""
    commands = COMMAND.findall("\n".join(blocks(parsed(name), "sh")).replace("\\\n", " "))
    for node in parsed(name).findall(docutils.nodes.literal):
        commands += re.findall(r"^yanksync (.+)$", node.astext())
        if option := re.match(r"--[a-z][a-z-]+", node.astext()):
            assert option[0] in options() | {"--version"}
    for arguments in set(commands):
        # An unknown command or option is noticed before --help is.
        done = CliRunner().invoke(cli, [*shlex.split(arguments), "--help"])
        assert done.exit_code == 0, (arguments, done.output)


def test_kinds_and_fates_are_the_real_ones() -> None:
    assert list(table("Kind")) == [str(kind) for kind in FindingKind]
    assert list(table("Fate")) == [str(kind) for kind in AdoptOutcome]
    assert set(table("Kind of hold")) == set(KINDS)
    assert list(table("Finding")) == [str(kind) for kind in AuditKind]
    found, notes = table("Finding of compare"), table("Note of compare")
    assert [*found, *notes] == [str(kind) for kind in DifferenceKind]
    assert set(notes) == set(NOTES)


def test_each_key_has_a_section_with_an_anchor() -> None:
    text = text_of("docs/reference/configuration.rst")
    assert re.findall(r"^\.\. key: (\S+)$", text, re.MULTILINE) == list(KEYS)
    anchors = {path: f"key-{path}".replace(".", "-").replace("_", "-") for path in KEYS}
    assert [path for path, anchor in anchors.items() if f".. _{anchor}:" not in text] == []


@pytest.mark.parametrize("name", PAGES)
def test_examples_of_a_configuration_load(name: str, tmp_path: Path) -> None:
    path = tmp_path / "yanksync.toml"
    rest = '[upstream]\nsimple_url = "https://upstream.example/simple/"\n'
    for text in blocks(parsed(name), "toml"):
        path.write_text(text if "[upstream]" in text else rest + text)
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
