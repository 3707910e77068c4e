"""Only a bundle exactly as yanksync made it changes anything (R10)."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bundles import Receiver, with_manifest, write_members
from yanksync.core.bundles.members import kind_of
from yanksync.core.errors import BundleError

Members = dict[str, bytes]
_PACKAGE = f"packages/ab/cd/{'0' * 60}/demo-1.0.tar.gz"
_PAGE = "simple/demo"


def whole() -> Members:
    """Return the members of a small bundle that can be applied, without its manifest."""
    header = {"format": 1, "mirror": "m", "since": 0, "cursor": 1, "token": "t", "log": "all"}
    return {
        "bundle.json": json.dumps(header).encode(),
        "removed.ndjson": b"",
        _PACKAGE: b"bytes of a file",
        f"{_PAGE}/index.html": b"<html>",
        f"{_PAGE}/index.v1_json": b"{}",
        "simple/index.html": b"<html>",
        "simple/index.v1_json": b"{}",
        "deleted/simple/demo/index.html": b"<html>",
        "deleted/simple/index.html": b"<html>",
        "withdrawals/feed.atom": b"<feed/>",
        "withdrawals/log/index.json": b"{}",
    }


def changed(members: Members, **bodies: bytes) -> Members:
    """Return ``members`` with other bodies, by the end of a name."""
    return {
        path: next((body for end, body in bodies.items() if path.endswith(end)), old)
        for path, old in members.items()
    }


@pytest.fixture
def receiver(where: Path) -> Receiver:
    return Receiver(where)


def refused(receiver: Receiver, bundle: Path, why: str) -> None:
    """Check that a bundle is refused, and that nothing came of it."""
    with pytest.raises(BundleError, match=why) as refusal:
        receiver.apply(bundle)
    assert "Nothing was changed" in str(refusal.value)
    assert receiver.files() == {}
    assert receiver.applied().begun is None


def test_a_whole_bundle_is_applied(receiver: Receiver, where: Path) -> None:
    members = whole()
    receiver.apply(write_members(where / "one.bundle", with_manifest(members)))
    published = receiver.files()
    for path in [*members][2:]:
        assert published[path] == members[path]


def test_a_dry_run_checks_and_changes_nothing(receiver: Receiver, where: Path) -> None:
    bundle = write_members(where / "one.bundle", with_manifest(whole()))
    assert receiver.apply(bundle, dry_run=True).files == 1
    assert receiver.files() == {}
    assert not receiver.state.exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.8, 0.95])
def test_a_bundle_that_was_cut_off(receiver: Receiver, where: Path, share: float) -> None:
    bundle = write_members(where / "one.bundle", with_manifest(whole()))
    body = bundle.read_bytes().rstrip(b"\0")
    bundle.write_bytes(body[: int(len(body) * share)])
    refused(receiver, bundle, "is damaged")


def test_every_changed_byte_is_noticed(receiver: Receiver, where: Path) -> None:
    bundle = write_members(where / "one.bundle", with_manifest(whole()))
    body = bundle.read_bytes()
    with tarfile.open(bundle) as archive:
        places = [one.offset_data for one in archive if one.size]
    for place in places:
        bundle.write_bytes(body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :])
        refused(receiver, bundle, "is damaged")


_WRONG: dict[str, tuple[Callable[[Members], Members], str]] = {
    "altered file": (
        lambda members: {**members, _PACKAGE: b"other bytes"},
        "demo-1.0.tar.gz is not",
    ),
    "no manifest": (
        lambda members: {**members, "manifest.ndjson": b""},
        "members that its manifest",
    ),
    "missing member": (
        lambda members: {path: body for path, body in members.items() if path != _PACKAGE},
        "is not what the manifest says",
    ),
}


@pytest.mark.parametrize("wrong", _WRONG)
def test_members_that_the_manifest_does_not_describe(
    receiver: Receiver, where: Path, wrong: str
) -> None:
    change, why = _WRONG[wrong]
    bundle = write_members(where / "one.bundle", change(with_manifest(whole())))
    refused(receiver, bundle, why)


def _removes(path: str) -> Members:
    return {**whole(), "removed.ndjson": json.dumps(path).encode() + b"\n"}


def _first(path: str, body: bytes = b"x") -> Members:
    members = whole()
    return {"bundle.json": members.pop("bundle.json"), path: body, **members}


_HOSTILE: dict[str, tuple[Members, str]] = {
    "a later format": (changed(whole(), **{"bundle.json": b'{"format": 2}'}), "none that this"),
    "no header": ({"removed.ndjson": b"", **whole()}, "not where it belongs"),
    "another order": ({**whole(), "removed.ndjson": b"", _PAGE: b""}, "a member that no bundle"),
    "a page twice": (
        {**whole(), "simple/other/index.html": b"x"}, "is not where it belongs",
    ),
    "one form only": (
        {path: body for path, body in whole().items() if path != f"{_PAGE}/index.v1_json"},
        "has one form only",
    ),
    "removed above": (_removes("../../etc"), "removes what no bundle removes"),
    "removed all": (_removes("simple"), "removes what no bundle removes"),
    "removed nothing": ({**whole(), "removed.ndjson": b"{"}, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_members_that_are_not_what_they_should_be(
    receiver: Receiver, where: Path, hostile: str
) -> None:
    members, why = _HOSTILE[hostile]
    refused(receiver, write_members(where / "one.bundle", with_manifest(members)), why)


@pytest.mark.parametrize("path", [
    "../../../etc/passwd", "/etc/passwd", "simple/../x/index.html", "simple/Demo/index.html",
    "simple/demo/index.html.gz", "packages/.incoming/x", f"packages/ab/cd/{'0' * 60}/../x",
    f"packages/ab/cd/{'0' * 60}/.x", f"packages/ab/cd/{'0' * 60}/x/y", "packages/x",
    f"packages/ab/cd/{'0' * 60}/{'x' * 256}", "withdrawals/../simple/index.html",
    "withdrawals//x.json", "withdrawals/x", "withdrawals/.x.json", "x", "", "bundle.json/",
    f"packages/ab/cd/{'0' * 60}/a\nb", "deleted", "deleted/simple/../x/index.html",
    "deleted/simple/Demo/index.html", "deleted/simplex/index.html", "deleted/index.html", ".", "..",
])  # fmt: skip
def test_no_member_has_such_a_name(path: str) -> None:
    assert kind_of(path) is None


@pytest.mark.parametrize("kind", [
    tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE,
    tarfile.GNUTYPE_SPARSE,
])  # fmt: skip
def test_a_member_is_a_regular_file(receiver: Receiver, where: Path, kind: bytes) -> None:
    bundle = where / "one.bundle"
    with tarfile.open(bundle, "w") as archive:
        for name, body in whole().items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            if name == _PACKAGE:
                info.type, info.size, info.linkname = kind, 0, "/etc/passwd"
            archive.addfile(info, io.BytesIO(body))
    refused(receiver, bundle, "is damaged")


@pytest.mark.parametrize("size", [1 << 40, 1 << 62])
def test_an_absurd_size_takes_no_room(receiver: Receiver, where: Path, size: int) -> None:
    bundle = where / "one.bundle"
    info = tarfile.TarInfo("bundle.json")
    info.size = size
    bundle.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"{}")
    refused(receiver, bundle, "too large")
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, size
    bundle.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"{}")
    refused(receiver, bundle, "is damaged")


def test_what_is_no_archive_at_all(receiver: Receiver, where: Path) -> None:
    bundle = where / "one.bundle"
    for body in (b"", b"not a bundle", b"\x1f\x8b" + bytes(1000), bytes(2048)):
        bundle.write_bytes(body)
        refused(receiver, bundle, "is damaged")
