"""``yanksync init``: the file, the checks, the questions on a terminal."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Served
from tests.support.terminal import typed
from yanksync.config.commented_file import commented
from yanksync.config.keys import KEYS
from yanksync.config.load import examine


@pytest.fixture
def fresh(tmp_path: Path, served: Served) -> Cli:
    """The program on a machine whose pip uses the test's upstream; no mirror was described."""
    made = Cli(tmp_path, None)
    made.environ["PIP_INDEX_URL"] = served.simple_url
    return made


def written(file: Path) -> dict[str, dict[str, object]]:
    """Return the keys that are set."""
    return {name: keys for name, keys in tomllib.loads(file.read_text()).items() if keys}


def test_defaults_off_a_terminal(fresh: Cli, served: Served) -> None:
    done = fresh("init")
    assert (done.code, done.err) == (0, "")
    assert written(fresh.config) == {
        "upstream": {"simple_url": served.simple_url},
        "mirror": {"output": "mirror", "state": "yanksync.db", "projects": ["*"]},
    }
    assert done.out.startswith(f"wrote {fresh.config}\n")
    assert "xmlrpc, at serial " in done.out and "is made by the first run, as " in done.out
    assert done.out.endswith("  yanksync doctor         check everything again\n")
    assert [path.name for path in fresh.home.iterdir()] == ["yanksync.toml"]
    assert fresh("sync").code == 0
    assert (fresh.output / "simple/demo/index.html").exists()


def test_what_is_said_is_written(fresh: Cli, served: Served, tmp_path: Path) -> None:
    named = ("--projects", "demo,other-*", "--projects", "Third_Party")
    places = ("--output", "pages", "--state", "new/x/the.db")
    done = fresh("init", "new", "--upstream", served.simple_url.rstrip("/"), *named, *places)
    assert done.code == 0, done
    file = tmp_path / "new/yanksync.toml"
    assert written(file) == {
        "upstream": {"simple_url": served.simple_url},
        "mirror": {
            "output": str(tmp_path / "pages"),
            "state": "x/the.db",
            "projects": ["demo", "other-*", "third-party"],
        },
    }
    assert f"  yanksync --config {file} sync " in done.out
    assert fresh("--config", str(file), "sync").code == 0
    assert (tmp_path / "pages/simple/demo").is_dir()


def test_a_bucket_is_written_as_it_is(fresh: Cli) -> None:
    done = fresh("init", "--output", "s3://mirror/pypi", "--state", "s3://mirror/state.db")
    assert done.code == 1  # nobody answers for that bucket
    assert written(fresh.config)["mirror"]["output"] == "s3://mirror/pypi"
    assert re.search(r"^failure +output ", done.out, re.MULTILINE)


def test_a_file_is_never_overwritten(fresh: Cli, upstream: FakeUpstream) -> None:
    fresh.config.write_text("# mine\n")
    done = fresh("init")
    assert (done.code, done.out) == (1, "")
    assert f"{fresh.config} is there already" in done.err
    assert fresh.config.read_text() == "# mine\n" and upstream.requests == []
    fresh.config.unlink()
    fresh.config.symlink_to(fresh.home / "elsewhere.toml")
    assert fresh("init").code == 1
    assert not (fresh.home / "elsewhere.toml").exists()


def test_parents_are_not_made(fresh: Cli) -> None:
    done = fresh("init", "a/b")
    assert (done.code, done.out) == (1, "")
    assert "a/b/yanksync.toml cannot be written: No such file or directory" in done.err
    (fresh.home / "file").write_text("x")
    done = fresh("init", "file")
    assert done.code == 1 and "file is no directory" in done.err
    assert [path.name for path in fresh.home.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--upstream", "ftp://upstream.example/"), "upstream.simple_url: must be an http"),
        (("--upstream", "http://upstream.example/"), "write https://upstream.example/"),
        (("--projects", "a/b"), "mirror.projects: "),
        (("--output", "ftp://x"), "mirror.output: must be a directory"),
        (("--output", "x", "--state", "x"), "mirror.state: is the same path"),
    ],
)
def test_what_cannot_be_used_is_2(fresh: Cli, arguments: tuple[str, ...], problem: str) -> None:
    done = fresh("init", *arguments)
    assert (done.code, done.out) == (2, "")
    assert problem in done.err
    assert not fresh.config.exists()


def test_config_does_not_go_with_it(fresh: Cli) -> None:
    done = fresh("--config", "x.toml", "init")
    assert done.code == 2 and "name DIR instead of --config" in done.err


def test_a_failed_check_is_1_and_the_file_is_written(fresh: Cli, served: Served) -> None:
    done = fresh("init", "--upstream", served.root_url)
    assert done.code == 1
    assert f"{served.simple_url} is a package index" in done.out
    assert "1 check failed" in done.err
    assert written(fresh.config)["upstream"]["simple_url"] == served.root_url


def test_variables_override_the_file_that_is_checked(fresh: Cli, served: Served) -> None:
    address = "https://127.0.0.1:9/simple/"
    given = {"YANKSYNC_UPSTREAM_SIMPLE_URL": served.simple_url}
    assert fresh("init", "--upstream", address, **given).code == 0
    fresh.config.unlink()
    done = fresh("init", YANKSYNC_UPSTREAM_WORKERS="many")
    assert done.code == 1 and "$YANKSYNC_UPSTREAM_WORKERS" in done.out


def test_passwords_are_for_the_owner_alone(fresh: Cli, served: Served) -> None:
    address = served.simple_url.replace("://", "://me:hush@")
    done = fresh("init", "--upstream", address)
    assert done.code == 0 and "hush" not in done.out
    assert stat.S_IMODE(fresh.config.stat().st_mode) == 0o600
    fresh.config.unlink()
    assert fresh("init", PIP_INDEX_URL=address).code == 0  # pip's is not copied
    assert "hush" not in fresh.config.read_text()


def test_questions_on_a_terminal(fresh: Cli, served: Served) -> None:
    shown = typed(
        fresh,
        "init",
        answer="http://upstream.example/simple/\n\ndemo, other\n\nthe.db\n",
        when="Index to mirror",
    )
    assert shown.code == 0, shown.text
    assert f"Index to mirror [{served.simple_url}]: " in shown.text
    assert "write https://upstream.example/simple/" in shown.text  # and it asks again
    assert "Projects (names or patterns, separated by commas) [*]: " in shown.text
    assert f"[{fresh.home / 'mirror'}]: " in shown.text
    assert written(fresh.config) == {
        "upstream": {"simple_url": served.simple_url},
        "mirror": {"output": "mirror", "state": "the.db", "projects": ["demo", "other"]},
    }


def test_only_what_is_missing_is_asked(fresh: Cli, served: Served) -> None:
    said = ("--projects", "*", "--output", "mirror", "--state", "yanksync.db")
    shown = typed(fresh, "init", *said, answer="\n", when="Index to mirror")
    assert shown.code == 0 and "Projects" not in shown.text
    fresh.config.unlink()
    shown = typed(fresh, "init", *said, "--upstream", served.simple_url)
    assert shown.code == 0 and "]: " not in shown.text


def test_an_end_at_a_question_writes_nothing(fresh: Cli) -> None:
    shown = typed(fresh, "init", answer="\x04", when="Index to mirror")
    assert shown.code == 130
    assert not fresh.config.exists()


@pytest.mark.parametrize("uncommented", [False, True])
def test_the_file_is_a_configuration_without_errors(tmp_path: Path, uncommented: bool) -> None:
    text = commented(
        {
            "upstream.simple_url": "https://upstream.example/simple/",
            "mirror.output": 'a "place" \\ of \x7fodd letters ✓',
            "mirror.projects": ["demo", "demo-*"],
        }
    )
    if uncommented:
        text = re.sub(r"^#(?=[a-z_]+ = [^…])", "", text, flags=re.MULTILINE)
    file = tmp_path / "yanksync.toml"
    file.write_text(text)
    found = examine(file, {})
    assert found.errors == ()
    assert found.settings.mirror.output == tmp_path / 'a "place" \\ of \x7fodd letters ✓'
    assert found.settings.mirror.selection.projects == ("demo", "demo-*")
    defaults = examine(Path(os.devnull), {}).settings
    assert found.settings.guard == defaults.guard
    assert found.settings.schedule == defaults.schedule


def test_every_key_is_in_the_file() -> None:
    text = commented({})
    assert re.findall(r"^#([a-z_]+) = ", text, re.MULTILINE) == [
        path.partition(".")[2] for path in KEYS
    ]
    assert max(map(len, text.splitlines())) <= 100
    for key in KEYS.values():
        if key.default is not None:
            name = key.path.partition(".")[2]
            assert f"#{name} = {json.dumps(key.default)}\n" in text
