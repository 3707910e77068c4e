"""Makes a bundle of what the mirror published since an earlier one."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from msgspec.structs import replace

from yanksync.bundle.archive import BundleWriter, spool
from yanksync.bundle.contents import BundleContents
from yanksync.bundle.log_files import has_log, log_files, log_part, log_text
from yanksync.bundle.places import Places
from yanksync.core import layout
from yanksync.core.bundles.header import (
    EVERYTHING,
    BundleHeader,
    encode_header,
    encode_removed,
)
from yanksync.core.bundles.members import FORMS, HEADER, REMOVED
from yanksync.core.errors import BundleError
from yanksync.core.model import Hashes
from yanksync.core.package_files.copies import PackageFile
from yanksync.core.package_files.paths import metadata_path, strongest
from yanksync.output.digests import digest
from yanksync.state.bundles.table import MadeBundle, PublishedPage
from yanksync.system import fsync
from yanksync.system.atomic_files import create_new

_UNLIKE = (
    "is not what the state knows; no bundle was made. Run 'yanksync sync', then 'yanksync verify "
    "--repair', and make the bundle again"
)
_ALTERED = (
    "has other bytes than its page promises; no bundle was made. Run 'yanksync verify --hash "
    "--repair', which downloads it again, and make the bundle again"
)


def create_bundle(places: Places, file: Path, since: int) -> BundleContents:
    """Write a new bundle to ``file``. Raises :class:`BundleError`."""
    _refuse_other_outputs(places)
    header, made = _next_bundle(places, since)
    with _new_file(file) as opened:
        contents = _Writing(places, opened, header).run()
        opened.flush()
        os.fsync(opened.fileno())
        # Noted before the file has its name: a cursor that was handed out must never be used again.
        with places.state.transaction():
            places.state.facts.put(bundle_mirror=header.mirror)
            places.state.bundles.add(made)
    return contents


def _refuse_other_outputs(places: Places) -> None:
    """Raise :class:`BundleError` for an output that no pass has made."""
    facts, output = places.state.facts, str(places.settings.mirror.output)
    if facts.applied_bundle.source is not None:
        problem = (
            "is made of bundles, so no bundle was made. Bundles that were applied here can be "
            "applied elsewhere, too, in the same order; else run 'yanksync bundle create' where "
            "'yanksync sync' runs"
        )
        raise BundleError(output, problem)
    if facts.published_list.written is None:
        problem = (
            "is not built yet, so no bundle was made. Run 'yanksync sync' until it exits with 0, "
            "then make the bundle"
        )
        raise BundleError(output, problem)


@contextmanager
def _new_file(file: Path) -> Iterator[IO[bytes]]:
    """Yield a file that gets its name when it is complete.

    Raises :class:`BundleError`.
    """
    half = file.with_name(f".{file.name}.tmp")
    try:
        with os.fdopen(create_new(str(half)), "wb") as opened:
            yield opened
        os.replace(half, file)
        fsync.sync_directories([str(file.absolute().parent)], str(file.absolute().parent))
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}; no bundle was made"
        raise BundleError(str(file), problem) from error
    finally:
        with suppress(OSError):
            half.unlink()


def _next_bundle(places: Places, since: int) -> tuple[BundleHeader, MadeBundle]:
    """Return the next bundle's header, and its row for the state.

    Raises :class:`BundleError` for a cursor that no bundle has.
    """
    state = places.state
    newest, before = state.bundles.newest(), state.bundles.get(since)
    if since != EVERYTHING and before is None:
        raise BundleError(f"--since {since}", _unknown_cursor(places, newest))
    log = log_text(places) if has_log(places) else None
    made = MadeBundle(
        newest + 1,
        secrets.token_hex(16),
        state.facts.published_list.json,
        log,
        None if log is None else state.event_log.newest(),
    )
    header = BundleHeader(
        mirror=state.facts.text("bundle_mirror") or secrets.token_hex(16),
        since=since,
        since_token="" if before is None else before.token,
        cursor=made.cursor,
        token=made.token,
        log=log_part(made, before),
        made=places.now(),
        serial=state.facts.published_list.serial_written,
        complete=state.facts.moment("complete_read"),
    )
    return header, made


def _unknown_cursor(places: Places, newest: int) -> str:
    here = places.settings.mirror.state
    if newest == 0:
        return f"{here} knows of no bundle yet; leave --since out: the first one has everything"
    return (
        f"{here} knows of no such bundle, the newest is {newest}; give the cursor of the one that "
        "was applied last, or leave --since out for a bundle with everything"
    )


class _Writing:
    """Writes one bundle."""

    def __init__(self, places: Places, file: IO[bytes], header: BundleHeader) -> None:
        self._places, self._header = places, header
        self._table = places.state.bundles
        self._before = self._table.get(header.since)
        self._deleted_index = [
            f"{layout.DELETED_ROOT}/{name}".rstrip("/")
            for name in self._table.deleted_index(header.since)
        ]
        self._file = file
        self._bundle = BundleWriter(file, int(places.now()))

    def run(self) -> BundleContents:
        since, contents = self._header.since, self._count()
        self._places.progress.expect("writing the bundle", contents.pages + contents.files)
        with self._bundle:
            self._bundle.add_bytes(HEADER, encode_header(self._header))
            self._add_removed()
            for path, copy in self._table.files(since):
                if copy is not None:
                    self._add_copy(path, copy)
            for page in self._table.pages(since):
                if page.json is not None:
                    self._add_page(page)
            self._add_list()
            for directory in self._deleted_index:
                self._add_deleted(directory)
            for file in log_files(self._places, self._header, self._before):
                self._bundle.add_spooled(file.path, file.chunks())
            self._bundle.finish()
        return replace(contents, bytes=self._file.tell())

    def _count(self) -> BundleContents:
        since = self._header.since
        pages = Counter(page.json is not None for page in self._table.pages(since))
        files = Counter(copy is not None for _, copy in self._table.files(since))
        return BundleContents(
            cursor=self._header.cursor,
            since=since,
            pages=pages[True],
            files=files[True],
            removed_pages=pages[False],
            removed_files=files[False],
        )

    def _add_removed(self) -> None:
        with spool() as file:
            for page in self._table.pages(self._header.since):
                if page.json is None:
                    file.write(encode_removed(layout.directory(page.project)))
            for path, copy in self._table.files(self._header.since):
                if copy is None:
                    file.write(encode_removed(path) + encode_removed(metadata_path(path)))
            for directory in self._deleted_index:
                if self._places.store.read_file(f"{directory}/{FORMS[0]}") is None:
                    file.write(encode_removed(directory))
            file.seek(0)
            self._bundle.add_spooled(REMOVED, file)

    def _add_copy(self, path: str, copy: PackageFile) -> None:
        """Add the metadata of a copy, then the copy."""
        metadata = copy.file.core_metadata
        if copy.has_metadata and isinstance(metadata, tuple):
            self._add_file(metadata_path(path), None, metadata)
        self._add_file(path, copy.size, copy.file.hashes)
        self._places.progress.advance(1)

    def _add_file(self, path: str, size: int | None, hashes: Hashes) -> None:
        found = self._places.packages.package_entries([path]).get(path)
        if found is None or size not in (None, found.size):
            raise BundleError(path, _UNLIKE)
        try:
            self._bundle.add(path, found.size, self._checked(path, hashes))
        except (FileNotFoundError, ValueError) as error:
            raise BundleError(path, _UNLIKE) from error

    def _checked(self, path: str, hashes: Hashes) -> Iterator[bytes]:
        """Yield a copy's bytes. Raises :class:`BundleError` if its hash is wrong."""
        best = strongest(hashes)
        assert best is not None  # only such files are copied
        found = hashlib.new(best[0], usedforsecurity=False)
        for chunk in self._places.packages.package_chunks(path):
            found.update(chunk)
            yield chunk
        if found.hexdigest() != best[1]:
            raise BundleError(path, _ALTERED)

    def _add_page(self, page: PublishedPage) -> None:
        digests = dict(zip(FORMS, (page.html, page.json), strict=True))
        for filename in FORMS:
            body = self._places.store.read(page.project, filename)
            path = f"{layout.directory(page.project)}/{filename}"
            if body is None or digest(body) != digests[filename]:
                raise BundleError(path, _UNLIKE)
            self._bundle.add_bytes(path, body)
        self._places.progress.advance(1)

    def _add_deleted(self, directory: str) -> None:
        """Add a page of the index of deleted files, if any."""
        for filename in FORMS:
            body = self._places.store.read_file(f"{directory}/{filename}")
            if body is not None:
                self._bundle.add_bytes(f"{directory}/{filename}", body)

    def _add_list(self) -> None:
        """Add the list of projects, unless the bundle before has the same."""
        written = self._places.state.facts.published_list.json
        if written is None or (self._before is not None and self._before.list == written):
            return
        for filename in FORMS:
            path = f"{layout.ROOT}/{filename}"
            body = self._places.store.read_file(path)
            is_json = filename == layout.V1_JSON.filename
            if body is None or (is_json and digest(body).hex() != written):
                raise BundleError(path, _UNLIKE)
            self._bundle.add_bytes(path, body)
