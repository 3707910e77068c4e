"""What is measured: yanksync, its peers, and the floor beneath them all."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from .measure import Command
from .nginx import set_aside
from .shapes import Name

_ROOT = Path(__file__).resolve().parents[2]


class Tool:
    """A mirror program with a directory of its own."""

    name = "?"
    version = ""

    def __init__(self, work: Path) -> None:
        self.home = work / self.name

    def prepare(self, url: str, settings: Sequence[str] = ()) -> None:
        """Start anew, against ``url``, with more ``settings`` of yanksync's."""
        set_aside(self.home)
        self.home.mkdir(parents=True)

    @property
    def tree(self) -> Path:
        """Where the published pages are: the directory ``simple``."""
        raise NotImplementedError

    def cold(self) -> Command:
        """Return the command that builds the mirror from nothing."""
        raise NotImplementedError

    def sync(self) -> Command:
        """Return the command that follows what is new."""
        raise NotImplementedError

    def know(self, names: Sequence[Name]) -> None:
        """Make the mirror believe that it holds ``names`` as well, without fetching them."""

    def stale(self, names: Iterable[Name]) -> list[str]:
        """Return those whose published page does not say that it is of that serial."""
        wrong = []
        for one in names:
            page = self.tree / one.name / "index.html"
            mark = f"<!--SERIAL {one.serial}-->".encode()
            if not page.exists() or mark not in page.read_bytes()[-200:]:
                wrong.append(one.name)
        return wrong


class Yanksync(Tool):
    """This project."""

    name = "yanksync"

    def __init__(self, work: Path, command: str, workers: int | None, more: Sequence[str]) -> None:
        super().__init__(work)
        self._argv = tuple(shlex.split(command)) or (sys.executable, "-m", "yanksync")
        self._workers, self._more = workers, more
        self.state = self.home / "state" / "yanksync.db"

    def prepare(self, url: str, settings: Sequence[str] = ()) -> None:
        super().prepare(url)
        self.state.parent.mkdir()
        upstream = [f'simple_url = "{url}/simple/"', f'journal_url = "{url}/pypi"']
        if self._workers is not None:
            upstream.append(f"workers = {self._workers}")
        mirror = [f'output = "{self.home}/mirror"', f'state = "{self.state}"', "compress = []"]
        sections: dict[str, list[str]] = {"upstream": upstream, "mirror": mirror}
        for setting in (*settings, *self._more):
            key, _, value = setting.partition("=")
            section, _, key = key.partition(".")
            lines = sections.setdefault(section, [])
            lines[:] = [line for line in lines if not line.startswith(f"{key} =")]
            lines.append(f"{key} = {value}")
        text = "\n".join(f"[{name}]\n" + "\n".join(lines) for name, lines in sections.items())
        (self.home / "yanksync.toml").write_text(text + "\n")

    @property
    def tree(self) -> Path:
        return self.home / "mirror" / "simple"

    def pack(self, tar: Path) -> None:
        """Write the output as an archive, for :class:`Floor`."""
        subprocess.run(["tar", "-cf", tar, "-C", self.tree.parent, "."], check=True)

    def cold(self) -> Command:
        return self._command("full-resync")

    def sync(self) -> Command:
        return self._command("sync")

    def know(self, names: Sequence[Name]) -> None:
        """Copy the row of a published project for each name; the list counts them from then on."""
        with sqlite3.connect(self.state) as db:
            db.row_factory = sqlite3.Row
            row = dict(
                db.execute(
                    "SELECT * FROM projects WHERE listed AND json_digest IS NOT NULL LIMIT 1"
                ).fetchone()
            )
            del row["id"]
            row |= {"due": float(row["checked"] or 0) + 86400 * 29, "etag": None}
            columns = ", ".join(row)
            marks = ", ".join(f":{key}" for key in row)
            db.executemany(
                f"INSERT INTO projects ({columns}) VALUES ({marks})",
                (
                    row
                    | {"name": one.name, "display": one.display, "serial": one.serial}
                    | {"published_serial": one.serial}
                    for one in names
                ),
            )
        db.close()

    def _command(self, verb: str) -> Command:
        config = str(self.home / "yanksync.toml")
        return Command(argv=(*self._argv, "--config", config, verb), cwd=_ROOT)


class Bandersnatch(Tool):
    """The reference mirror, index only."""

    name = "bandersnatch"

    def __init__(self, work: Path, program: Path, workers: int) -> None:
        super().__init__(work)
        self._program, self._workers = program, workers
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.version = told.stdout.split()[-1]
        self.name = f"bandersnatch {self.version}"
        self.home = work / f"bandersnatch-{self.version}"

    def prepare(self, url: str, settings: Sequence[str] = ()) -> None:
        super().prepare(url)
        (self.home / "bandersnatch.conf").write_text(
            f"[mirror]\ndirectory = {self.home}/mirror\nmaster = {url}\nallow-non-https = true\n"
            "json = false\nrelease-files = false\nsimple-format = ALL\nhash-index = false\n"
            f"stop-on-error = false\ntimeout = 60\nworkers = {self._workers}\nverifiers = 1\n"
            "root_uri = https://files.example\nstorage-backend = filesystem\n"
        )

    @property
    def tree(self) -> Path:
        return self.home / "mirror" / "web" / "simple"

    def cold(self) -> Command:
        config = str(self.home / "bandersnatch.conf")
        return Command(argv=(str(self._program), "--config", config, "mirror"), cwd=self.home)

    sync = cold

    def know(self, names: Sequence[Name]) -> None:
        """Make the directories that its list is made from."""
        for one in names:
            os.mkdir(self.tree / one.name)


class Shadowmire(Tool):
    """The mirror that compares lists. It has no option for the index: it is told at its start."""

    name = "shadowmire"
    _START = (
        "import sys, shadowmire.pypi as p; p.PyPI.host = sys.argv.pop(1); "
        "from shadowmire.cli import main; sys.exit(main())"
    )

    def __init__(self, work: Path, program: Path, workers: int) -> None:
        super().__init__(work)
        self._python, self._workers = program.resolve().with_name("python"), workers
        ask = "import shadowmire; print(shadowmire.__version__)"
        told = subprocess.run([self._python, "-c", ask], capture_output=True, text=True, check=True)
        self.version = told.stdout.strip()
        self._url = ""

    def prepare(self, url: str, settings: Sequence[str] = ()) -> None:
        super().prepare(url)
        self._url = url

    @property
    def tree(self) -> Path:
        return self.home / "mirror" / "simple"

    def cold(self) -> Command:
        repo = str(self.home / "mirror")
        argv = (str(self._python), "-c", self._START, self._url + "/", "--repo", repo, "sync")
        return Command(argv=argv, cwd=self.home, env={"SHADOWMIRE_WORKERS": str(self._workers)})

    sync = cold

    def know(self, names: Sequence[Name]) -> None:
        with sqlite3.connect(self.home / "mirror" / "local.db") as db:
            rows = ((one.name, one.serial) for one in names)
            db.executemany("INSERT INTO local (key, value) VALUES (?, ?)", rows)
        db.close()
        for one in names:
            os.mkdir(self.tree / one.name)


class Floor(Tool):
    """The least that a first build can cost: fetch the same pages, create the same files.

    curl fetches, 16 at once, and writes to /dev/null; tar unpacks the tree that yanksync made.
    """

    name = "curl + tar"
    urls: Iterable[tuple[str, str]] = ()
    tar = Path()

    def prepare(self, url: str, settings: Sequence[str] = ()) -> None:
        super().prepare(url)
        self.tree.parent.mkdir()
        with (self.home / "urls").open("w") as config:
            for _, page in self.urls:
                address = re.sub("^http://[^/]*", url, page)
                config.write(f'url = "{address}"\noutput = "/dev/null"\n')

    @property
    def tree(self) -> Path:
        return self.home / "mirror" / "simple"

    def cold(self) -> Command:
        accept = "Accept: application/vnd.pypi.simple.v1+json"
        options = ("--disable", "--silent", "--fail", "--fail-early", "--header", accept)
        curl = shlex.join(
            ("curl", *options, "--config", "urls", "--parallel", "--parallel-max", "16")
        )
        tar = shlex.join(("tar", "-xf", str(self.tar), "-C", "mirror"))
        return Command(argv=("sh", "-ec", f"{curl}; {tar}"), cwd=self.home)


class Yardstick(Tool):
    """What a Python program pays for requests before it does anything."""

    name = "import requests"

    def sync(self) -> Command:
        return Command(argv=(sys.executable, "-c", "import requests"), cwd=self.home)
