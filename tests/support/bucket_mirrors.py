"""Mirrors in object storage: real processes, a real S3 server, and a gate on the way to it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.support.cli_runner import Cli, Done, wait_for
from tests.support.fake_index.index import Served
from tests.support.fork_server.start import Process
from tests.support.lease_clock import LeaseClock
from tests.support.s3_proxy import Gate
from tests.support.s3_servers import Server, fresh_place
from yanksync.config.load import load
from yanksync.config.settings import Bucket
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.open_mirror import open_mirror
from yanksync.output.object_storage.store import ObjectStore
from yanksync.sync.pipeline import PassRequest, run_pass

LOCKED = 75
FORMS = ("index.html", "index.v1_html", "index.v1_json")


class Mirror(Cli):
    """The program, configured to publish to a server of its own behind a gate."""

    def __init__(self, home: Path, served: Served, server: Server, gate: Gate) -> None:
        super().__init__(home, None)
        self.served = served
        self.gate = gate
        self.server = server
        self.place = fresh_place(server.scheme)
        self.objects = server.objects(self.place)
        self.store = ObjectStore(self.objects)
        self.settle()

    def settle(self, mirror: str = "", hooks: str = "", **storage: str | bool) -> None:
        """Write the configuration."""
        self.configure(
            f'simple_url = "{self.served.simple_url}"',
            mirror=f'output = "{self.place}"\n{mirror}',
            hooks=hooks,
            storage=self.server.behind(self.gate.url).toml(**storage),
        )

    def yanked(self, name: str) -> dict[str, bool | str]:
        body = self.store.read(name, "index.v1_json")
        assert body is not None
        return {file["filename"]: file["yanked"] for file in json.loads(body)["files"]}

    def reasons(self, name: str) -> set[bool]:
        """Whether each form of a page knows of the yank."""
        return {b"broken" in (self.store.read(name, form) or b"") for form in FORMS}


class Machine(Cli):
    """A machine that has nothing but a configuration, and a way of its own to the storage."""

    def __init__(self, home: Path, served: Served, server: Server, gate: Gate, place: Bucket):
        home.mkdir()
        super().__init__(home, None)
        self.gate = gate
        self.server = server
        self.place = place
        self.key = f"{place.prefix}/state/yanksync.db"
        self.simple_url = served.simple_url
        self.environ["TMPDIR"] = str(home)
        self.settle()

    def settle(
        self, mirror: str = "", output: str = "", hooks: str = "", **storage: str | bool
    ) -> None:
        state = f"{self.place.root}/{self.key}"
        self.configure(
            f'simple_url = "{self.simple_url}"',
            mirror=f'output = "{output or self.place}"\nstate = "{state}"\n{mirror}',
            hooks=hooks,
            storage=self.server.behind(self.gate.url).toml(**storage),
        )

    def after_the_lease(self, *args: str) -> Done:
        """Run where the storage says that any lease in the way is over."""
        self.gate.pass_time(3600)
        return self(*args)

    @contextmanager
    def passing_here(self, clock: LeaseClock) -> Iterator[Future[ExitCode]]:
        """Make a pass in a thread of the tests, whose lease goes by ``clock``.

        A pass as a process has the clock of the machine, and is stopped for as long as a lease.
        """
        with ThreadPoolExecutor(1) as pool:
            try:
                yield pool.submit(self._pass, clock)
            finally:
                self.gate.heal()

    def _pass(self, clock: LeaseClock) -> ExitCode:
        with open_mirror(load(self.config, {}), "sync", clock=clock) as mirror:
            return run_pass(mirror, PassRequest())

    def scratch(self) -> list[str]:
        return [path.name for path in self.home.iterdir() if path.name != "yanksync.toml"]

    def state_puts(self) -> int:
        return self.gate.asked("PUT").count(f"/mirror/{self.key}")


class Fleet:
    """Two machines with one mirror, and somebody who looks at the bucket."""

    def __init__(self, first: Machine, second: Machine) -> None:
        self.first, self.second = first, second
        self.place = first.place
        self.objects = first.server.objects(self.place)
        self.store = ObjectStore(self.objects)

    def etags(self) -> dict[str, str | None]:
        """Return everything published."""
        return {listed.key: listed.etag for listed in self.objects.list("simple")}

    def yanked(self, name: str) -> dict[str, bool | str]:
        body = self.store.read(name, "index.v1_json")
        assert body is not None
        return {file["filename"]: file["yanked"] for file in json.loads(body)["files"]}


def stopped(process: Process) -> None:
    """Let a process stand still, as a machine does that is suspended."""
    process.send_signal(signal.SIGSTOP)
    stat = Path(f"/proc/{process.pid}/stat")
    wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
