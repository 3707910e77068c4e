"""The digests by which the state knows the bytes of published files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b


def new_digest() -> blake2b:
    """Return an empty digest; feed it with ``update``."""
    from hashlib import blake2b  # start-up: hashlib loads OpenSSL, 4 MiB

    return blake2b(digest_size=16)


def digest(body: bytes) -> bytes:
    """Return the digest of ``body``, 16 bytes."""
    return digest_of((body,))


def digest_of(chunks: Iterable[bytes]) -> bytes:
    """Return the digest of all ``chunks``, 16 bytes."""
    engine = new_digest()
    for chunk in chunks:
        engine.update(chunk)
    return engine.digest()
