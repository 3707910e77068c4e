"""Package files built in memory, the same bytes every time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Sequence

_MODULE = "[-_.]+"


def wheel(name: str, version: str, requires: Sequence[str] = ()) -> bytes:
    """Return a minimal wheel that installs: a module named like the project, with its version."""
    module = re.sub(_MODULE, "_", name).lower()
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": _metadata(name, version, requires),
        f"{info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: fake\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = [f"{path},sha256={_record_hash(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


def sdist(name: str, version: str, requires: Sequence[str] = ()) -> bytes:
    """Return a minimal sdist that setuptools can build."""
    module = re.sub(_MODULE, "_", name).lower()
    setup = (
        "from setuptools import setup\n"
        f"setup(name={name!r}, version={version!r}, py_modules=[{module!r}],"
        f" install_requires={list(requires)!r})\n"
    )
    files = {
        "PKG-INFO": _metadata(name, version, requires),
        "setup.py": setup,
        f"{module}.py": f"__version__ = {version!r}\n",
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{module}-{version}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _metadata(name: str, version: str, requires: Sequence[str]) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {r}" for r in requires)]) + "\n"


def _record_hash(text: str) -> str:
    value = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
