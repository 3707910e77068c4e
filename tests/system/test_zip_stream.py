"""Archives that are written as a stream, read by :mod:`zipfile`."""

from __future__ import annotations

import io
import zipfile

import pytest

from yanksync.system.zip_stream import compressed, read_entries, zip_chunks


@pytest.mark.parametrize("count", [0, 1, 3, 0xFFFF + 5])  # the last one needs ZIP64
def test_zipfile_reads_every_entry(count: int) -> None:
    entries = [(f"ä{number}.json", b"x" * (number % 50)) for number in range(count)]
    body = b"".join(zip_chunks(compressed(*entry) for entry in entries))
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert [one.filename for one in archive.infolist()] == [name for name, _ in entries]
        for name, content in (*entries[:3], *entries[-3:]):
            assert archive.read(name) == content
    for size in (7, len(body)):
        chunks = (body[at : at + size] for at in range(0, len(body), size))
        assert b"".join(zip_chunks(read_entries(chunks))) == body


@pytest.mark.parametrize("kept", [0, 1, 4, 29, 30, 35, 40])
def test_a_part_of_an_archive_is_refused(kept: int) -> None:
    body = b"".join(zip_chunks([compressed("a.json", b"x" * 99)]))
    with pytest.raises(ValueError, match="ends early"):
        list(read_entries([body[:kept]]))
