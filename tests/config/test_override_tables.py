"""Tables of the file: what they mean, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from yanksync.config.load import examine, load
from yanksync.config.settings import Settings
from yanksync.core.errors import ConfigError
from yanksync.core.policies.overrides import Action, Match, Override

Loaded = Callable[[str], Settings]
DAY = 86400.0
DECEMBER_7 = 1796601600.0  # 2026-12-07T00:00:00Z


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    monkeypatch.chdir(tmp_path)

    def load_text(text: str) -> Settings:
        (tmp_path / "yanksync.toml").write_text(text)
        return load(None, {})

    return load_text


def test_the_patterns_keep_their_order(loaded: Loaded) -> None:
    got = loaded(
        '[cooldown]\nage = "3d"\n[cooldown.projects]\nTorch = "7d"\n"our_*" = 0\n"*" = "1h"'
    )
    assert got.cooldown.age == 3 * DAY
    assert got.cooldown.projects == (("torch", 7 * DAY), ("our-*", 0.0), ("*", 3600.0))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[cooldown]\nage = "-3d"', "cooldown.age: must be seconds"),
        ("[cooldown]\nnot_after = 2026-12-01", "cooldown.not_after: must be a time like"),
        ("[cooldown]\nnot_after = 2026-12-01T00:00:00", "cooldown.not_after: must be a time"),
        ("[cooldown]\nnot_after = 'tomorrow'", "cooldown.not_after: must be a time like"),
        ("[cooldown]\nnot_after = '2026-12-01T00:00:00'", "cooldown.not_after: must be a time"),
        ("[cooldown]\nprojects = 'torch'", "cooldown.projects: must be a table"),
        ('[cooldown.projects]\n"a b" = "1d"', "cooldown.projects: 'a b': 'a b' is no valid"),
        ('[cooldown.projects]\ntorch = "x"', "cooldown.projects: 'torch': must be seconds"),
        ("[withdrawals]\nwatch = ['demo']", "withdrawals.watch: must be a table"),
        ("[withdrawals.watch]\nA = ['demo']", "withdrawals.watch: 'A': is part of a URL: write it"),
        ("[withdrawals.watch]\n'a/b' = ['demo']", "withdrawals.watch: 'a/b': is part of a URL"),
        ("[withdrawals.watch]\na = []", "withdrawals.watch: 'a': names no project"),
        ("[withdrawals.watch]\na = 'demo'", "withdrawals.watch: 'a': must be a list of texts"),
        ("[withdrawals.watch]\na = ['d e']", "withdrawals.watch: 'a': 'd e' is no valid project"),
        ("[withdrawals]\ntitle = ''", "withdrawals.title: must be a text on one line"),
        ("[withdrawals]\ntitle = \"a\\u0007\"", "withdrawals.title: must be a text on one line"),
        ("[cooldown]\nages = 1", "cooldown.ages: no such key"),
        ('[cooldown]\nmode = "yank"\n[mirror]\nyanked = "omit"', "cooldown.mode: \"yank\" marks"),
        ('[mirror]\ndeleted = "yank"', 'mirror.deleted: needs mirror.files = "copy"'),
        ("[files]\ndeleted_index = true", 'files.deleted_index: needs mirror.files = "copy"'),
        (
            '[mirror]\nfiles = "copy"\ndeleted = "yank"\nyanked = "omit"',
            "mirror.deleted: marks files yanked, and mirror.yanked",
        ),
        (
            '[mirror]\nfiles = "copy"\n[files]\ndeleted_projects = "yank"',
            "files.deleted_projects: does nothing without mirror.deleted",
        ),
        (
            '[cooldown]\nage = "3d"\nnew_projects = "1d"',
            "cooldown.new_projects: is shorter than cooldown.age",
        ),
        ("[[override]]\nmatch = 'a===1'\naction = 'hide'", "'a===1' must be one release"),
        ("override = 1", "override: must be a list of tables"),
        ("[override]\nmatch = 'a'", "override: must be a list of tables"),
        ("[[override]]\naction = 'hide'", "override[1].match: is missing"),
        ("[[override]]\nmatch = 'demo'", "override[1].action: is missing (of 'demo')"),
        (
            "[[override]]\nmatch = 'demo'\naction = 'block'",
            "override[1].action: must be one of \"allow\", \"yank\", \"hide\", not 'block'",
        ),
        ("[[override]]\nmatch = 'demo'\naction = 'allow'", "override[1].until: is missing: an"),
        ("[[override]]\nmatch = 'a b'\naction = 'hide'", "override[1].match: 'a b' is neither"),
        ("[[override]]\nmatch = 1\naction = 'hide'", "override[1].match: must be text"),
        (
            "[[override]]\nmatch = 'demo'\naction = 'hide'\nuntil = 'soon'",
            "override[1].until: must be a time like",
        ),
        ("[[override]]\nmatch = 'demo'\naction = 'hide'\nuntil = 1", "[1].until: must be a"),
        ("[[override]]\nmatch = 'x'\naction = 'hide'\nuntil = '2026-13-06'", "is no day of"),
        ("[[override]]\nmatch = 'demo'\naction = 'hide'\nwhy = ''", "override[1].why: no such key"),
        ("[mirror]\noverrides = 'missing.toml'", "mirror.overrides: "),
    ],
)  # fmt: skip
def test_what_is_refused(loaded: Loaded, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(text)
    assert problem in str(error.value)
    assert ".toml: " in str(error.value)


def test_the_environment_has_no_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (error,) = examine(None, {"YANKSYNC_COOLDOWN_PROJECTS": "torch=7d"}).errors
    assert "only the file can have" in str(error)
    (error,) = examine(None, {"YANKSYNC_OVERRIDE": "x"}).errors
    assert "$YANKSYNC_OVERRIDE: only a file can have [[override]]" in str(error)


OVERRIDES = """
[[override]]
match = "urllib3==2.7.0"
action = "allow"
reason = "fixes it"
until = "2026-12-06"
[[override]]
match = "demo"
action = "hide"
until = 2026-12-07T00:00:00Z
"""
WANTED = (
    Override(
        text="urllib3==2.7.0",
        match=Match("urllib3", "2.7.0"),
        action=Action.ALLOW,
        reason="fixes it",
        until=DECEMBER_7,
    ),
    Override(text="demo", match=Match("demo"), action=Action.HIDE, until=DECEMBER_7),
)


def test_overrides_are_read_from_the_file_and_from_a_separate_one(
    loaded: Loaded, tmp_path: Path
) -> None:
    assert loaded(OVERRIDES).overrides == WANTED
    (tmp_path / "ours.toml").write_text(OVERRIDES)
    assert loaded('[mirror]\noverrides = "ours.toml"').overrides == WANTED


@pytest.mark.parametrize("text", ["x = ", "[upstream]", "\xff", "[[override]]\nmatch = 'a'"])
def test_a_wrong_separate_file_is_named(loaded: Loaded, tmp_path: Path, text: str) -> None:
    (tmp_path / "ours.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"ours\.toml: "):
        loaded('[mirror]\noverrides = "ours.toml"')
