"""Files that a policy hides are not copied, and leave when it hides them later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.dated_uploads import names, upload
from tests.support.fake_index.http_server import Served
from tests.support.world import DAY, DONE, World

OLD, NEW = "demo-1.0.tar.gz", "demo-2.0.tar.gz"


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    """A mirror that copies, and an upstream with an old release and one of now."""
    mirror = World(served, tmp_path, disk=True, mirror_files="copy")
    mirror.up.upload("demo", "1.0")
    upload(mirror, "demo", "2.0")
    return mirror


def copied(mirror: World) -> list[str]:
    """Return the names of the copies that are served."""
    return sorted(
        path.name for path in (mirror.where / "out/packages").rglob("*.*") if path.is_file()
    )


def cause(mirror: World, name: str) -> str | None:
    """Return why a copy is not served."""
    with mirror.state() as state:
        (one,) = [
            copy
            for copy in state.package_files.by_project(["demo"])["demo"]
            if copy.file.filename == name
        ]
    return one.cause


def test_a_file_that_cooldown_hides_is_copied_once_it_is_visible(mirror: World) -> None:
    mirror.configure(cooldown_age="1d")
    assert mirror.sync() == DONE
    assert names(mirror) == copied(mirror) == [OLD]
    assert mirror.sync(later=DAY) == DONE
    assert names(mirror) == copied(mirror) == [OLD, NEW]


def test_a_file_leaves_when_cooldown_begins_to_hide_it(mirror: World) -> None:
    assert mirror.sync() == DONE
    assert copied(mirror) == [OLD, NEW]
    mirror.configure(cooldown_age="1d")
    assert mirror.sync() == DONE
    assert names(mirror) == copied(mirror) == [OLD]
    assert cause(mirror, NEW) == "hidden"


def test_a_file_that_an_override_hides_is_not_copied(mirror: World, tmp_path: Path) -> None:
    path = tmp_path / "overrides.toml"
    path.write_text('[[override]]\nmatch = "demo==2.0"\naction = "hide"\n', encoding="utf-8")
    mirror.configure(mirror_overrides=str(path))
    assert mirror.sync() == DONE
    assert names(mirror) == copied(mirror) == [OLD]
    path.write_text("", encoding="utf-8")
    assert mirror.sync() == DONE
    assert names(mirror) == copied(mirror) == [OLD, NEW]
    path.write_text('[[override]]\nmatch = "demo==1.0"\naction = "hide"\n', encoding="utf-8")
    assert mirror.sync() == DONE
    assert names(mirror) == copied(mirror) == [NEW]
    assert cause(mirror, OLD) == "hidden"


def test_a_file_leaves_when_an_advisory_calls_it_malware(mirror: World, tmp_path: Path) -> None:
    assert mirror.sync() == DONE
    record = {
        "id": "MAL-2026-1",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["2.0"]},
        ],
    }
    (tmp_path / "MAL-2026-1.json").write_text(json.dumps(record), encoding="utf-8")
    mirror.configure(mirror_advisories=[str(tmp_path / "MAL-2026-1.json")])
    assert mirror.sync() == DONE
    assert names(mirror) == copied(mirror) == [OLD]
    assert cause(mirror, NEW) == "hidden"


def test_yanked_files_are_copied_and_marked(mirror: World) -> None:
    mirror.up.yank("demo", "1.0", "broken")
    assert mirror.sync() == DONE
    assert copied(mirror) == [OLD, NEW]
    page = mirror.page("demo")
    assert page is not None
    assert [(file["url"][:15], file["yanked"]) for file in page["files"]] == [
        ("../../packages/", "broken"),
        ("../../packages/", False),
    ]


def test_a_yank_moves_no_copy(mirror: World) -> None:
    assert mirror.sync() == DONE
    mirror.up.yank("demo", "1.0", "broken")
    assert mirror.sync() == DONE
    assert mirror.yanked("demo") == {OLD: "broken", NEW: False}
    assert copied(mirror) == [OLD, NEW]
    assert not [request for request in mirror.requests if request.path.endswith(".tar.gz")]


def test_yanked_files_that_are_omitted_are_not_served(mirror: World) -> None:
    mirror.up.yank("demo", "1.0", "broken")
    mirror.configure(mirror_yanked="omit")
    assert mirror.sync() == DONE
    assert names(mirror) == copied(mirror) == [NEW]
    mirror.up.unyank("demo", "1.0")
    mirror.up.yank("demo", "2.0")
    assert mirror.sync() == DONE
    assert names(mirror) == copied(mirror) == [OLD]
    assert cause(mirror, NEW) == "hidden"
