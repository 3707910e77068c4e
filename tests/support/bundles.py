"""Makes and applies bundles.

A mirror makes them. A place behind an air gap applies them.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.support.dying_store import Killed
from tests.support.world import World
from yanksync.bundle.apply import apply_file
from yanksync.bundle.contents import BundleContents
from yanksync.bundle.create import create_bundle
from yanksync.bundle.places import Places, open_places
from yanksync.config.load import load
from yanksync.mirror.open_mirror import any_package_store
from yanksync.mirror.progress import NoProgress
from yanksync.output.comparison import Finding, FindingKind
from yanksync.output.store import FreeSpace
from yanksync.state.facts import AppliedBundle
from yanksync.state.state import State
from yanksync.verify.received import ReceivedOutput, check_received
from yanksync.verify.summary import CheckSummary, FileCheck


def bundle_of(world: World, name: str, since: int = 0) -> Path:
    """Make a bundle of the mirror of a world."""
    settings = load(None, {}, **world.flags)
    path = world.where / name
    with world.state() as state:
        store, packages = world.kills.store, any_package_store(settings)
        create_bundle(Places(settings, state, store, packages, now=world.clock.now), path, since)
    return path


class Steps:
    """Counts what changes an output, and dies before or after one of these steps."""

    names = frozenset(
        (
            "apply",
            "write_list",
            "write_files",
            "delete_files",
            "publish_packages",
            "delete_packages",
        )
    )

    def __init__(self, left: int) -> None:
        self.left = left

    def tick(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1


class Dying:
    """Passes calls on to a store, and dies at one of them."""

    def __init__(self, store: object, steps: Steps) -> None:
        self._store, self._steps = store, steps

    def __getattr__(self, name: str) -> Any:
        found, steps = getattr(self._store, name), self._steps
        if name not in steps.names:
            return found

        def call(*args: object) -> object:
            steps.tick()
            done = found(*args)
            steps.tick()
            return done

        return call


class Narrow:
    """A store on a disk with little room."""

    def __init__(self, store: object, room: int) -> None:
        self._store, self._room = store, room

    def free_space(self) -> FreeSpace:
        return FreeSpace(self._room, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class Receiver:
    """A directory that bundles fill, without an upstream."""

    def __init__(self, home: Path) -> None:
        self.output = home / "out"
        self.state = home / "state.db"
        places = {"mirror_output": str(self.output), "mirror_state": str(self.state)}
        self.settings = load(None, {}, **places, mirror_compress=[])

    def apply(
        self,
        bundle: Path,
        *,
        dry_run: bool = False,
        steps: Steps | None = None,
        room: int | None = None,
    ) -> BundleContents:
        """Apply a bundle; with ``steps`` it dies, and ``room`` is the room that it has."""
        with open_places(self.settings, "bundle apply", NoProgress(), dry_run=dry_run) as places:
            if steps is not None:
                store, packages = Dying(places.store, steps), Dying(places.packages, steps)
                places = replace(places, store=store, packages=packages)
            if room is not None:
                places = replace(places, store=Narrow(places.store, room))
            return apply_file(places, bundle, dry_run=dry_run)

    def create(self, file: Path) -> BundleContents:
        """Make a bundle of this output."""
        with open_places(self.settings, "bundle create", NoProgress()) as places:
            return create_bundle(places, file, 0)

    def verified(
        self,
        *,
        read: bool,
        may_write: bool = True,
        tell: Callable[[Finding, State], None] = lambda finding, state: None,
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> tuple[Counter[FindingKind], int, int]:
        """Verify the output; return what was found, and how many projects and files it has.

        Each finding goes to ``tell`` as soon as it is there.
        """
        summary = CheckSummary()
        with open_places(self.settings, "verify", NoProgress(), dry_run=True) as places:
            output = ReceivedOutput(
                places.state, places.store, places.packages, NoProgress(), monotonic
            )
            request = FileCheck(read=read, may_write=may_write)
            for finding in check_received(output, request, summary):
                tell(finding, places.state)
        return summary.kinds, summary.projects, summary.files

    def files(self) -> dict[str, bytes]:
        """Return everything below the output, by path."""
        found = (path for path in self.output.rglob("*") if path.is_file())
        return {path.relative_to(self.output).as_posix(): path.read_bytes() for path in found}

    def applied(self) -> AppliedBundle:
        """Return what the state says of bundles."""
        with State(self.state) as state:
            return state.facts.applied_bundle


def members_of(bundle: Path) -> dict[str, bytes]:
    """Return the members of a bundle, by name."""
    with tarfile.open(bundle) as archive:
        return {
            one.name: archive.extractfile(one).read()  # type: ignore[union-attr]
            for one in archive
        }


def with_manifest(members: dict[str, bytes]) -> dict[str, bytes]:
    """Add the manifest that goes with ``members``."""
    lines = "".join(
        json.dumps({"path": path, "size": len(body), "sha256": sha256(body).hexdigest()}) + "\n"
        for path, body in members.items()
    )
    return {**members, "manifest.ndjson": lines.encode()}


def write_members(bundle: Path, members: dict[str, bytes]) -> Path:
    """Write a bundle with these members, as they are."""
    with tarfile.open(bundle, "w") as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return bundle
