"""Lists objects, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial

from msgspec.structs import replace

from yanksync.core import layout
from yanksync.core.errors import ObjectStorageError
from yanksync.output.inventory import OURS, DirectoryContent, FileEntry, file_entry
from yanksync.output.object_storage.bucket import BucketClient, ObjectHeaders
from yanksync.output.published_serials import HEAD, serial_of
from yanksync.output.store import PublishedList

SLASH = ""
"""The file name, so to say, of the object ``simple/<project>/``."""
_GONE = "is not there"


def etags_of_files(bucket: BucketClient, name: str) -> dict[str, str | None]:
    """Return every object below ``simple/<name>/`` with its ETag.

    Objects that yanksync did not write are among them.

    Raises :class:`ObjectStorageError`.
    """
    directory = layout.directory(name)
    return {
        listed.key.removeprefix(directory).removeprefix("/"): listed.etag
        for listed in bucket.list(directory)
    }


def serials_in_objects(
    bucket: BucketClient, name: str | None, files: Mapping[str, str | None]
) -> Iterator[int | None]:
    """Yield the serials in these files of a project; None: the list.

    ``files`` has their ETags, if known: files with equal ETags are read once. Raises
    :class:`ObjectStorageError`.
    """
    once = {etag or filename: filename for filename, etag in files.items()}
    for filename in once.values():
        key = f"{layout.directory(name)}/{filename}"
        try:
            yield _serial(bucket, key)
        except OSError as error:  # that of a codec
            raise ObjectStorageError(
                f"{bucket.location}/{key}", error.strerror or str(error)
            ) from error


def _serial(bucket: BucketClient, key: str) -> int | None:
    if layout.V1_JSON.filename in key:  # the serial is near the beginning
        with suppress(ObjectStorageError):  # of an empty object there is no first part
            found = bucket.get(key, HEAD)
            serial = None if found is None else serial_of(key, found.chunks)
            if serial is not None or found is None or found.size <= HEAD:
                return serial
    found = bucket.get(key)
    return None if found is None else serial_of(key, found.chunks)


def published_list(bucket: BucketClient) -> PublishedList:
    """Return the ETag of the published list. Raises :class:`ObjectStorageError`."""
    key, stamp = f"{layout.ROOT}/{layout.V1_JSON.filename}", "unknown"
    with suppress(ObjectStorageError):  # of an empty object there is no first part
        found = bucket.get(key, HEAD)
        if found is None:
            return PublishedList(None, "")
        stamp = found.etag or stamp
        serial = serial_of(key, found.chunks)
        if serial is not None or found.size <= HEAD:
            return PublishedList(serial, stamp)
    return PublishedList(_serial(bucket, key), stamp)


def directory_content(
    bucket: BucketClient, slash: str | None, name: str | None
) -> DirectoryContent:
    """Return the objects of a project; None: those beside the projects.

    ``slash`` is the form that also has the name of its directory as key.
    """
    see = partial(_seen, bucket, slash, name)
    try:
        if name is None:  # a listing would have all objects
            found = tuple(entry for entry in map(see, sorted(OURS)) if entry.problem != _GONE)
            return DirectoryContent(exists=bool(found) or _anything(bucket), entries=found)
        ignored = slash is not None or not bucket.allows_trailing_slash
        filenames = etags_of_files(bucket, name).keys() - ({SLASH} if ignored else set())
        return DirectoryContent(exists=bool(filenames), entries=tuple(map(see, sorted(filenames))))
    except ObjectStorageError as error:
        return DirectoryContent(problem=str(error))


def _anything(bucket: BucketClient) -> bool:
    return next(bucket.list(layout.ROOT), None) is not None


def _seen(bucket: BucketClient, slash: str | None, name: str | None, filename: str) -> FileEntry:
    if filename not in OURS:
        return FileEntry(name=filename)
    try:
        found = bucket.get(f"{layout.directory(name)}/{filename}")
        if found is None:
            return FileEntry(name=filename, problem=_GONE)
        entry = file_entry(filename, found.chunks, _wrong(filename, found.headers))
        return _with_slash(bucket, name, entry) if filename == slash else entry
    except ObjectStorageError as error:
        return FileEntry(name=filename, problem=error.problem)
    except OSError as error:  # a codec that is not installed
        return FileEntry(name=filename, problem=error.strerror)


def _with_slash(bucket: BucketClient, name: str | None, entry: FileEntry) -> FileEntry:
    """Return ``entry``; note if the key with a slash has other bytes."""
    found = bucket.get(f"{layout.directory(name)}/")
    if found is not None:
        wrong = _wrong(entry.name, found.headers)
        same = wrong is None and file_entry(entry.name, found.chunks).digest == entry.digest
        if same:
            return entry
    return replace(entry, wrong_mode="not the same under the name with the slash alone")


def _wrong(filename: str, content: ObjectHeaders) -> str | None:
    """Return which header of an object is wrong, or None.

    For files on disk, the web server sends these headers.
    """
    said = layout.headers(filename)
    for what, found, wanted in (
        ("content type", content.type, said.content_type),
        ("cache rule", content.cache, said.cache),
        ("encoding", content.encoding, said.encoding),
    ):
        if (found or None) != wanted:
            return f"{what} {found or 'missing'}, not {wanted or 'any'}"
    return None
