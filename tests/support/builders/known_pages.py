"""Pages whose written forms are known to the byte."""

from __future__ import annotations

from yanksync.core.model import File, Page, Yank

HEX = "ab" * 32


FULL = File(
    filename="demo-1.0.zip",
    url="https://files.example/a&b/demo-1.0.zip",
    hashes=(("md5", "ab" * 16), ("sha256", HEX)),
    requires_python=">=3",
    size=5,
    upload_time="2026-11-06T17:37:01Z",
    yanked=Yank("bad"),
    core_metadata=(("sha256", HEX),),
    gpg_sig=False,
    provenance="https://upstream.example/p",
)


BARE = File(filename="demo-1.0.zip", url="https://files.example/demo-1.0.zip")


PAGE = Page(name="demo", files=(FULL,), versions=("1.0",), serial=7)
