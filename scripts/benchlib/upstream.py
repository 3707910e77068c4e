"""The upstream of a run: generated files, what changed since laid over them, and a journal."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from . import generate, pages, shapes
from .journal import Journal, JournalServer, Row
from .nginx import Nginx, clear
from .shapes import Name, PageDict

_BIG, _IN_RELEASE = 200, 5  # the major version and the files of each release of a big page
_WHEN = 1_790_000_000  # of the first journal entry, UTC seconds


class Upstream:
    """Serves until :meth:`close`. Every change is the same in every repetition."""

    def __init__(self, work: Path, cache: Path, seed: int, count: int, delay: float) -> None:
        self.seed, self.count = seed, count
        self._www = work / "www"
        self._base = generate.upstream_files(cache, seed, count)
        self.facts: dict[str, int] = msgspec.json.decode((self._base / "facts.json").read_bytes())
        self._own = shapes.names(seed, count)
        self._extra: list[Name] = []
        self._journal = Journal()
        self._rpc = JournalServer(self._journal)
        self.nginx = Nginx(work, self._rpc.port, delay)
        clear(self._www)
        self._www.mkdir(parents=True)
        (self._www / "base").symlink_to(self._base)
        self.reset()
        self.nginx.start()

    def close(self) -> None:
        """Stop serving."""
        self.nginx.stop()
        self._rpc.close()

    @property
    def url(self) -> str:
        """The root of the upstream."""
        return f"http://127.0.0.1:{self.nginx.port}"

    @property
    def slow_url(self) -> str:
        """The same with every page delayed."""
        return f"http://127.0.0.1:{self.nginx.slow_port}"

    @property
    def names(self) -> list[Name]:
        """The projects that have pages."""
        return list(self._projects.values())

    @property
    def extra(self) -> list[Name]:
        """The projects that are only listed."""
        return self._extra

    @property
    def serial(self) -> int:
        """The newest serial."""
        return self._rows[-1][4]

    def reset(self) -> None:
        """Undo every change."""
        clear(self._www / "overlay")
        for part in ("simple", "legacy"):
            (self._www / "overlay" / part).mkdir(parents=True)
        self._extra = []
        self._projects = {name.name: name for name in self._own}
        known = sorted(self._own, key=lambda name: name.serial)
        self._rows: list[Row] = [
            (p.display, "0.0.0", _WHEN, "add source file x", p.serial) for p in known
        ]
        self._rng = random.Random(f"{self.seed}:changes")
        self._announce()

    def enlarge(self, listed: int) -> None:
        """Fill the list up to ``listed`` names; those added are old and have no page."""
        more = max(0, listed - len(self._projects))
        self._extra = shapes.names(self.seed, self.count, extra=more) if more else []
        self._announce()

    def withdraw(self, withdrawals: int, uploads: int) -> list[Name]:
        """Yank and unyank releases, upload others; return the projects as they are now."""
        ordinary = [name for name in self._own if self._size(name) < 200_000]
        chosen = self._rng.sample(ordinary, min(len(ordinary), withdrawals + uploads))
        changed = [self._yank(name) for name in chosen[:withdrawals]]
        changed += [self._upload(name) for name in chosen[withdrawals:]]
        self._announce()
        return changed

    def add_project(self) -> list[Name]:
        """Add a project with one release."""
        number = len(self._projects)
        name = f"fresh-project-{number}"
        serial = self._next_serial()
        for action in ("create", "add Owner someone"):
            self._rows.append((name, None, _WHEN, action, serial))
            serial = self._next_serial()
        made = Name(name, name, serial)
        page = shapes.project(self.seed, made, 2)
        self._rows.append((name, page["versions"][0], _WHEN, "new release", serial))
        self._store(made, page)
        self._announce()
        return [made]

    def flood(self, entries: int) -> list[Name]:
        """Append journal entries about every project in turn, two for each upload."""
        last: dict[str, int] = {}
        for number in range(entries):
            name = self._own[(number // 2) % self.count]
            serial = self._next_serial()
            action = "add source file x" if number % 2 else "new release"
            self._rows.append((name.display, "99.0", _WHEN, action, serial))
            last[name.name] = serial
        changed = []
        for name in self._own:
            if name.name in last:
                page = self._page(name.name)
                changed.append(self._at(name, page, last[name.name]))
        self._announce()
        return changed

    def waver(self, entries: int) -> list[Name]:
        """Append yanks and unyanks in turn, all about the releases of one project."""
        name = self._own[4 % self.count]
        page = self._page(name.name)
        for number in range(entries):
            version = page["versions"][number // 2 % len(page["versions"])]
            action = "unyank release" if number % 2 else "yank release"
            self._rows.append((name.display, version, _WHEN, action, self._next_serial()))
        for file in page["files"]:
            file["yanked"] = False
        return self._announced(self._at(name, page, self.serial))

    def swell(self, files: int) -> list[Name]:
        """Add so many files, all yanked, to each of four projects."""
        changed = []
        for name in self._own[:4]:
            page = self._page(name.name)
            for number in range(0, files, _IN_RELEASE):
                version = f"{_BIG}.{number}"
                self._release(page, version, min(_IN_RELEASE, files - number), "broken")
            serial = self._next_serial()
            self._rows.append((name.display, version, _WHEN, "yank release", serial))
            changed.append(self._at(name, page, serial))
        return self._announced(*changed)

    def shrink(self) -> list[Name]:
        """Remove what :meth:`swell` added to the first project, release by release."""
        name = self._own[0]
        page = self._page(name.name)
        gone = {version for version in page["versions"] if version.startswith(f"{_BIG}.")}
        for version in sorted(gone):
            row = (name.display, version, _WHEN, "remove release", self._next_serial())
            self._rows.append(row)
        page["versions"] = [version for version in page["versions"] if version not in gone]
        page["files"] = [
            file for file in page["files"] if pages.version_of(page, file["filename"]) not in gone
        ]
        return self._announced(self._at(name, page, self.serial))

    def upload_at(self, moment: int, files: int, version: str) -> list[Name]:
        """Add so many files, uploaded at ``moment``, to the projects in turn."""
        when = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        shares = Counter(number % self.count for number in range(files))
        changed = []
        for number, share in shares.items():
            name = self._own[number]
            page = self._page(name.name)
            made = shapes.release(self._rng, name.name, version, share, False)
            page["files"] += [file | {"upload-time": when} for file in made]
            page["versions"].append(version)
            for file in made:
                action = f"add py3 file {file['filename']}"
                self._rows.append((name.display, version, moment, action, self._next_serial()))
            changed.append(self._at(name, page, self.serial))
        return self._announced(*changed)

    def urls(self) -> Iterable[tuple[str, str]]:
        """Yield name and address of every page."""
        for name in self._projects:
            yield name, f"{self.url}/simple/{name}/"

    def _yank(self, name: Name) -> Name:
        page = self._page(name.name)
        yanked = {
            pages.version_of(page, file["filename"])
            for file in page["files"]
            if file["yanked"] is not False
        }
        version = sorted(yanked)[0] if yanked else str(self._rng.choice(page["versions"]))
        mark: bool | str = False if yanked else self._rng.choice((True, "broken & withdrawn"))
        for file in page["files"]:
            if pages.version_of(page, file["filename"]) == version:
                file["yanked"] = mark
        serial = self._next_serial()
        action = "unyank release" if yanked else "yank release"
        self._rows.append((name.display, version, _WHEN, action, serial))
        return self._at(name, page, serial)

    def _upload(self, name: Name) -> Name:
        page = self._page(name.name)
        version = f"100.{len(page['versions'])}"
        self._release(page, version, 2, False)
        for action in ("new release", "add source file x", "add py3 file x"):
            serial = self._next_serial()
            self._rows.append((name.display, version, _WHEN, action, serial))
        return self._at(name, page, serial)

    def _release(self, page: PageDict, version: str, files: int, yanked: bool | str) -> None:
        page["files"] += shapes.release(self._rng, page["name"], version, files, yanked)
        page["versions"].append(version)

    def _at(self, name: Name, page: PageDict, serial: int) -> Name:
        page["meta"]["_last-serial"] = serial
        page["files"].sort(key=lambda file: str(file["filename"]))
        moved = Name(name.name, name.display, serial)
        self._store(moved, page)
        return moved

    def _store(self, name: Name, page: PageDict) -> None:
        self._projects[name.name] = name
        when = _WHEN + len(self._rows)
        generate.write_page(self._www / "overlay", page, name.display, when)

    def _page(self, name: str) -> PageDict:
        for layer in ("overlay", "base"):
            path = self._www / layer / "simple" / f"{name}.{pages.JSON}"
            if path.exists():
                page: PageDict = msgspec.json.decode(path.read_bytes())
                return page
        raise LookupError(name)

    def _size(self, name: Name) -> int:
        return (self._base / "simple" / f"{name.name}.{pages.JSON}").stat().st_size

    def _next_serial(self) -> int:
        return self._rows[-1][4] + 1 + (len(self._rows) % 3 == 0)

    def _announced(self, *changed: Name) -> list[Name]:
        self._announce()
        return list(changed)

    def _announce(self) -> None:
        """Write the list and the journal as they are now."""
        every = sorted([*self._extra, *self._projects.values()], key=lambda name: name.name)
        overlay = self._www / "overlay"
        lists = {
            pages.JSON: pages.list_json(every, self.serial),
            pages.HTML: pages.list_html(every),
        }
        for form, body in lists.items():
            path = overlay / f"list.{form}"
            path.write_bytes(body)
            os.utime(path, (_WHEN + len(self._rows),) * 2)
        self._journal.replace(self._rows, {name.display: name.serial for name in every})
