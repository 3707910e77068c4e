"""Package files: a first copy of many, beside curl, sha256sum and sync with the same files."""

from __future__ import annotations

import hashlib
import json
import random
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from .measure import Command
from .nginx import set_aside
from .scenarios import FILES, Bench, say
from .tools import Floor, Yanksync

_PROJECTS = 200
_SIZE = 100_000  # bytes of each file


class CopyFloor(Floor):
    """The least that copying can cost: curl, ten at once, then sha256sum and sync."""

    name = "curl + sha256sum"

    def prepare(self, url: str, settings: Sequence[str] = ()) -> None:
        set_aside(self.home)
        (self.home / "files").mkdir(parents=True)
        with (self.home / "urls").open("w") as config:
            for number, (_, path) in enumerate(self.urls):
                config.write(f'url = "{url}/{path}"\noutput = "files/{number}"\n')

    def cold(self) -> Command:
        options = ("--disable", "--silent", "--fail", "--config", "urls")
        curl = shlex.join(("curl", *options, "--parallel", "--parallel-max", "10"))
        script = f"{curl}; find files -type f | xargs sha256sum > sums; sync -f files"
        return Command(argv=("sh", "-ec", script), cwd=self.home)


def turn(bench: Bench, tool: Yanksync, floor: CopyFloor) -> None:
    """Measure the scenario once."""
    if not any(name in bench.scenarios for name in FILES):
        return
    upstream, www = bench.upstream, bench.logs.parent / "www"
    upstream.reset()
    say(f"making {bench.files} package files of {_SIZE} bytes")
    made = dict(_made(www, upstream.url, bench.files))
    floor.urls = [("", path) for paths in made.values() for path in paths]
    names = json.dumps(list(made))
    settings = ('mirror.files="copy"', f"mirror.projects={names}", 'upstream.journal="none"')
    for one in (floor, tool):
        one.prepare(upstream.url, settings)

        def check(one: Floor | Yanksync = one) -> list[str]:
            return [] if one is floor else _missing(tool.tree.parent, made)

        bench.measure("files", one, one.cold(), (), check=check)


def _made(www: Path, url: str, count: int) -> Iterator[tuple[str, list[str]]]:
    """Make the files and pages of projects; yield each with the paths of its files."""
    filling = random.Random(1).randbytes(_SIZE)
    for number in range(_PROJECTS):
        name, rows, paths = f"copied-{number}", [], []
        for version in range(number, count, _PROJECTS):
            filename = f"copied_{number}-{version}.tar.gz"
            body = filename.encode().ljust(100) + filling[100:]
            digest = hashlib.sha256(body).hexdigest()
            path = f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{filename}"
            (www / path).parent.mkdir(parents=True, exist_ok=True)
            (www / path).write_bytes(body)
            hashes = {"sha256": digest}
            about = {"filename": filename, "url": f"{url}/{path}", "hashes": hashes}
            rows.append({**about, "size": len(body), "yanked": False})
            paths.append(path)
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": rows}
        page["versions"] = [str(version) for version in range(number, count, _PROJECTS)]
        (www / "overlay" / "simple" / f"{name}.v1_json").write_text(json.dumps(page))
        yield name, paths


def _missing(output: Path, made: dict[str, list[str]]) -> list[str]:
    """Return the projects with a file that was not copied."""
    return [
        name for name, paths in made.items() if not all((output / path).exists() for path in paths)
    ]
