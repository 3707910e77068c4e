"""Siblings: what is compressed comes back, and what is damaged is told."""

from __future__ import annotations

import pytest

from yanksync.output.compress import compress, compress_chunks, decompress_chunks

BODY = b"<a href='demo'>" * 5000


@pytest.mark.parametrize("codec", ["gzip", "br", "zstd"])
def test_what_is_compressed_comes_back(codec: str) -> None:
    pytest.importorskip({"gzip": "gzip", "br": "brotli", "zstd": "zstandard"}[codec])
    packed = compress(codec, BODY)
    parts = [packed[at : at + 7] for at in range(0, len(packed), 7)]
    assert b"".join(decompress_chunks(codec, parts)) == BODY
    assert b"".join(decompress_chunks(codec, compress_chunks(codec, [BODY, BODY]))) == BODY * 2
    with pytest.raises(ValueError):
        list(decompress_chunks(codec, [b"this is not compressed"]))


@pytest.mark.parametrize("codec", ["gzip", "br"])
def test_half_a_sibling_is_told(codec: str) -> None:
    pytest.importorskip({"gzip": "gzip", "br": "brotli"}[codec])
    with pytest.raises(ValueError):
        list(decompress_chunks(codec, [compress(codec, BODY)[:-3]]))


def test_what_follows_a_sibling_is_told() -> None:
    packed = compress("gzip", BODY)
    for chunks in ([packed + b"more"], [packed, b"more"]):
        with pytest.raises(ValueError):
            list(decompress_chunks("gzip", chunks))
