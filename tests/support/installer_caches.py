"""The caches of the real pip and uv, filled from an index on loopback."""

from __future__ import annotations

import base64
import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.parse import urlsplit

import uv

from tests.support.fake_index.package_files import wheel

_PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
_BACKEND = """\
import base64, os
WHEEL = {wheel!r}
def build_wheel(directory, settings=None, metadata=None):
    name = "{name}-{version}-py3-none-any.whl"
    with open(os.path.join(directory, name), "wb") as file:
        file.write(base64.b64decode(WHEEL))
    return name
"""


def buildable_sdist(name: str, version: str) -> bytes:
    """Return an sdist with its own build backend: to build it needs nothing else."""
    content = base64.b64encode(wheel(name, version)).decode()
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": _PYPROJECT,
        "backend.py": _BACKEND.format(wheel=content, name=name, version=version),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


class Caches:
    """A home directory with the caches of pip and uv."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.pip = home / "pip-cache"
        self.uv = home / "uv-cache"
        self.environ = {
            "PATH": os.path.dirname(uv.find_uv_bin()) + os.pathsep + os.defpath,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_CACHE_DIR": str(self.pip),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_CACHE_DIR": str(self.uv),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }

    def pip_install(self, index: str, *requirements: str) -> None:
        """Install with pip, which caches what comes from a trusted host by HTTP, too."""
        trusted = ["--trusted-host", urlsplit(index).netloc, "--index-url", index]
        self.run(
            *(sys.executable, "-m", "pip", "install", "-q", "--no-deps", *trusted),
            *("--target", str(self.home / "pip-target"), *requirements),
        )

    def uv_install(self, index: str, *requirements: str) -> None:
        """Install with uv."""
        self.run(
            *("uv", "pip", "install", "-q", "--no-deps", "--default-index", index),
            *("--python", sys.executable, "--target", str(self.home / "uv-target")),
            *requirements,
        )

    def run(self, *command: str, cwd: Path | None = None) -> str:
        """Run a command to its successful end; return what it prints."""
        done = subprocess.run(
            command,
            cwd=cwd or self.home,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout
