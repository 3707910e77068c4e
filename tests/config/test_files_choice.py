"""``files.lock_files``, and the keys that do nothing beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from yanksync.config.load import load
from yanksync.core.errors import ConfigError


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("newest", "1"),
        ("max_age", '"1d"'),
        ("prereleases", "false"),
        ("prerelease_projects", "{ demo = false }"),
    ],
)
def test_a_rule_that_chooses_releases_excludes_lock_files(
    tmp_path: Path, key: str, value: str
) -> None:
    path = tmp_path / "yanksync.toml"
    path.write_text(f'[files]\nlock_files = ["uv.lock"]\n{key} = {value}\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert (caught.value.key, caught.value.problem) == (
        "files.lock_files",
        f"excludes files.{key}: the lock files name the releases. Remove one of the two",
    )


def test_lock_files_name_the_projects_of_a_mirror_without_journal(tmp_path: Path) -> None:
    settings = load(
        None,
        {"YANKSYNC_FILES_LOCK_FILES": f"{tmp_path}/uv.lock, {tmp_path}/pylock.toml"},
        upstream_journal="none",
        mirror_files="copy",
    )
    assert settings.files.lock_files == (tmp_path / "uv.lock", tmp_path / "pylock.toml")
    with pytest.raises(ConfigError, match="needs names without wildcards"):
        load(None, {}, upstream_journal="none")
