"""podman, with images and containers of its own, and images that are made here.

There is no registry of images to ask. What stands under the name that ``Containerfile`` begins
with, ``python:3.13-slim``, is made by debootstrap: a minimal Debian with Debian's own Python. The
images of Debian stay in ``build/container/`` for the next time; what is made of them is removed.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.documents import page_blocks
from tests.support.source_copy import ROOT

KEPT = ROOT / "build/container"
RELEASE = os.environ.get("DEBIAN") or "trixie"
DEBIAN, SYSTEMD = f"localhost/debian:{RELEASE}", f"localhost/systemd:{RELEASE}"
PYTHON, INSTALLED = "localhost/python:3.13-slim", "localhost/installed:latest"
FASTER = {"YANKSYNC_SCHEDULE_EVERY": "1s", "YANKSYNC_UPSTREAM_JOURNAL_INTERVAL": "0"}

_PACKAGES = "ca-certificates,python-is-python3,python3,python3-venv"
_PREPARE = f"""
FROM {DEBIAN}
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends \
    dbus nginx-light systemd systemd-sysv >/dev/null
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
"""
_INSTALL = f"""
FROM {SYSTEMD}
RUN cp -r /checkout /root/yanksync
WORKDIR /root/yanksync
RUN set -e; {{commands}}
WORKDIR /etc
"""
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_MOST = 4096  # open files, processes


class Engine:
    """podman as root, and a shell for the pages' lines, where ``podman`` is that one.

    What the pages' lines leave to the machine is added there. A build takes the base from here and
    goes to the index as this machine's pip does. A container shares the machine's network, where
    upstream listens on loopback. It makes passes in quick succession.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        # podman wants the same one for the same storage, and no long path.
        self._runroot = Path(f"/run/yanksync-{zlib.crc32(bytes(KEPT)):08x}")
        self._real = [
            *(shutil.which("podman") or "podman", "--root", str(KEPT / "storage")),
            *("--runroot", str(self._runroot), "--cgroup-manager", "cgroupfs"),
            *("--runtime", shutil.which("runc") or "runc"),
        ]
        self._build = ["--isolation", "chroot", "--pull=never", *self._to_index()]
        self._run = ["--network", "host", *(f"--env={name}={FASTER[name]}" for name in FASTER)]
        self._environ = os.environ | {
            "CONTAINERS_CONF": str(self._file("containers.conf", _settings())),
            "DISABLE_HC_SYSTEMD": "true",  # health is asked for by the tests, not by timers
            "PATH": f"{self._programs()}{os.pathsep}{os.environ['PATH']}",
        }

    def _file(self, name: str, text: str) -> Path:
        path = self.home / name
        path.write_text(text)
        return path

    def _to_index(self) -> list[str]:
        """Return what lets pip in a build reach the index that this machine's pip reaches."""
        bundle = os.environ.get("SSL_CERT_FILE", _BUNDLE)
        told = self._file("pip.conf", f"[global]\ncert = {_BUNDLE}\n{_index()}")
        return ["--volume", f"{bundle}:{_BUNDLE}:ro", "--volume", f"{told}:/etc/pip.conf:ro"]

    def _programs(self) -> Path:
        """Make the ``podman`` of the pages' lines; return where it is."""
        place = self.home / "bin"
        place.mkdir()
        lines = ["#!/bin/sh", "command=$1", "shift", "case $command in"]
        for command, more in (("build", self._build), ("run", self._run)):
            lines.append(f'{command}) set -- {shlex.join(more)} "$@" ;;')
        lines += ["esac", f'exec {shlex.join(self._real)} "$command" "$@"', ""]
        program = place / "podman"
        program.write_text("\n".join(lines))
        program.chmod(0o755)
        return place

    def sh(self, lines: str, code: int = 0, *, where: Path | None = None) -> str:
        """Run lines of shell, which must end in ``code``; return what they print, both ways."""
        return self._done(["/bin/sh", "-e", "-c", lines], code, where)

    def podman(self, *arguments: str, code: int = 0) -> str:
        """Run podman with nothing added, ending in ``code``; return what it prints, both ways."""
        return self._done([*self._real, *arguments], code, None)

    def _done(self, command: Sequence[str], code: int, where: Path | None) -> str:
        done = subprocess.run(
            command,
            cwd=where or self.home,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1800,
        )
        assert done.returncode == code, (command, done.returncode, done.stdout)
        return done.stdout

    def inspect(self, name: str, what: str = "container") -> Any:
        """Return all that podman knows of a container, an image or a volume."""
        (found,) = json.loads(self.podman(what, "inspect", name))
        return found

    def prepare(self) -> None:
        """Make the images of Debian where there are none yet, and see whether one runs."""
        KEPT.mkdir(parents=True, exist_ok=True)
        self._sweep()  # what a run has left that was killed
        if not self._has(DEBIAN):
            self._bootstrap()
        try:
            self.podman("run", "--rm", "--network", "host", DEBIAN, "true")
        except AssertionError as error:
            pytest.exit(f"this machine does not let containers be started: {error}", 1)
        self.podman("tag", DEBIAN, PYTHON)
        if not self._has(SYSTEMD):
            self.build(_PREPARE, SYSTEMD)

    def _has(self, image: str) -> bool:
        return bool(self.podman("images", "--quiet", image).strip())

    def _bootstrap(self) -> None:
        """Make an image of a minimal Debian."""
        with tempfile.TemporaryDirectory(prefix="debian-", dir=KEPT) as root:
            self.sh(f"debootstrap --variant=minbase --include={_PACKAGES} {RELEASE} {root}")
            packed = KEPT / "debian.tar"
            try:
                self.sh(f"tar -C {root} -cf {packed} .")
                self.podman("import", str(packed), DEBIAN)
            finally:
                packed.unlink(missing_ok=True)

    def build(self, text: str, image: str, *arguments: str) -> None:
        """Make an image as the text of a Containerfile says, with no other file beside it."""
        context = self.home / "context"
        context.mkdir(exist_ok=True)
        file = self._file("Containerfile", text)
        more = [*self._build, *arguments, "--tag", image, "--file", str(file)]
        self.podman("build", "--quiet", *more, str(context))

    def install(self, checkout: Path) -> None:
        """Make the image of a machine on which docs/how-to/install.rst was followed."""
        install, *_ = page_blocks("how-to/install", "sh")
        text = _INSTALL.format(commands="; ".join(install.splitlines()))
        self.build(text, INSTALLED, "--volume", f"{checkout}:/checkout:ro")

    def remove(self, *names: str) -> None:
        """Remove containers as they are, and every volume that is left."""
        self.podman("rm", "--force", "--ignore", "--time", "0", "--volumes", *names)
        self.podman("volume", "prune", "--force")

    def close(self) -> None:
        """Remove everything but the images of Debian."""
        self._sweep()
        shutil.rmtree(self._runroot, ignore_errors=True)

    def _sweep(self) -> None:
        self.podman("rm", "--all", "--force", "--time", "0", "--volumes")
        self.podman("volume", "prune", "--force")
        names = self.podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        ours = {name for name in names if "<none>" not in name}
        for name in ours:
            if not name.startswith(("localhost/debian:", "localhost/systemd:")):
                self.podman("rmi", "--force", name)
        self.podman("image", "prune", "--force")


def _settings() -> str:
    """Return containers.conf.

    It has limits that may be set here. Its logs need no journal.
    """
    limits = ", ".join(
        f'"{name}={_least(soft)}:{_least(hard)}"'
        for name, (soft, hard) in (
            ("nofile", resource.getrlimit(resource.RLIMIT_NOFILE)),
            ("nproc", resource.getrlimit(resource.RLIMIT_NPROC)),
        )
    )
    return (
        f'[containers]\ndefault_ulimits = [{limits}]\nlog_driver = "k8s-file"\n'
        '[engine]\nevents_logger = "file"\n'
    )


def _least(limit: int) -> int:
    return _MOST if limit == resource.RLIM_INFINITY else min(limit, _MOST)


def _index() -> str:
    """Return the line of pip.conf for another index than the default, if this machine has one."""
    asked = ["pip", "config", "get", "global.index-url"]
    told = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    url = os.environ.get("PIP_INDEX_URL") or told
    return f"index-url = {url}\n" if url else ""
