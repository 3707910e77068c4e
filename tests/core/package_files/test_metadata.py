"""Which metadata (PEP 658) is copied."""

from __future__ import annotations

import pytest

from yanksync.core.model import File, Hashes
from yanksync.core.package_files.copies import metadata_hash

SHA256 = ("sha256", "0" * 64)


@pytest.mark.parametrize(
    ("filename", "given", "wanted"),
    [
        ("demo-1.0.tar.gz", (SHA256,), SHA256),
        (
            "demo-1.0.tar.gz",
            (("blake2b", "00"), ("nosuch", "00"), ("md5", "00")),
            ("blake2b", "00"),
        ),
        ("demo-1.0.tar.gz", True, None),
        ("demo-1.0.tar.gz", False, None),
        ("demo-1.0.tar.gz", None, None),
        ("demo-1.0.tar.gz", (("nosuch", "00"),), None),
        (f"{'x' * 239}.tar.gz", (SHA256,), SHA256),
        (f"{'x' * 240}.tar.gz", (SHA256,), None),
    ],
)
def test_metadata_is_copied_if_it_can_be_checked(
    filename: str, given: bool | Hashes | None, wanted: tuple[str, str] | None
) -> None:
    file = File(filename=filename, url=f"https://files.example/{filename}", core_metadata=given)
    assert metadata_hash(file) == wanted
