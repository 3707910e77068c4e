"""Chooses the path of a copied file below the output."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, urlsplit

from yanksync.core.layout import PACKAGES
from yanksync.core.model import File, Hashes

STRENGTH = (
    "sha512", "sha3_512", "sha384", "sha3_384", "sha256", "sha3_256", "blake2b", "blake2s",
    "sha224", "sha3_224", "sha1", "md5",
)  # fmt: skip
"""The algorithms that a file can be checked with, the strongest first."""

_LONGEST_NAME = 255  # bytes
_UPSTREAM_PATH = re.compile(r"/([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{60})/[^/]+\Z")


def strongest(hashes: Hashes) -> tuple[str, str] | None:
    """Return the strongest pair of (algorithm, hex digest).

    None: no hash can be used to check a file.
    """
    given = dict(hashes)
    return next(((name, given[name]) for name in STRENGTH if name in given), None)


def paths_of(file: File) -> tuple[str, ...]:
    """Return the paths that a copy may have, the best first.

    They are below the output and end in ``aa/bb/<60 hex>/name``. The first is the path of
    upstream's URL, if it ends in that way. The next one is made from the hash. It is used if
    another file already has the first path: upstream put other bytes at an address, or two projects
    name it. Empty: the file has no hash to check.
    """
    best = strongest(file.hashes)
    if best is None:
        return ()
    given = dict(file.hashes)
    digest = given.get("sha256") or hashlib.sha256(":".join(best).encode()).hexdigest()
    found = _UPSTREAM_PATH.search(urlsplit(file.url).path)
    places = [] if found is None else ["/".join(found.groups())]
    places.append(f"{digest[:2]}/{digest[2:4]}/{digest[4:]}")
    return tuple(f"{PACKAGES}/{place}/{file.filename}" for place in dict.fromkeys(places))


def relative_url(path: str, depth: int = 2) -> str:
    """Return the address of a copy, relative to a page.

    The page is ``depth`` directories below the output.
    """
    return f"{'../' * depth}{quote(path, safe='/~!$()*+,;=:@')}"


def metadata_fits(filename: str) -> bool:
    """Return True if file systems take the name of the metadata."""
    return len(metadata_path(filename).encode()) <= _LONGEST_NAME


def metadata_path(path: str) -> str:
    """Return the place of a file's metadata (PEP 658)."""
    return f"{path}.metadata"
