"""Reads what stands in object storage, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial

from msgspec.structs import replace

from yanksync.core import layout
from yanksync.core.errors import ObjectError
from yanksync.output.disk.inventory import seen_in
from yanksync.output.inventory import Seen, Standing
from yanksync.output.object_storage.bucket import Content, Objects
from yanksync.output.published_serials import HEAD, serial_of
from yanksync.output.store import ListStands

OURS = frozenset(layout.filenames())
SLASH = ""
"""The file name, so to say, of the object ``simple/<project>/``."""
_GONE = "is not there"


def files_in(objects: Objects, name: str) -> dict[str, str | None]:
    """Return the names of all that stands below a project's, be it ours or not, with their ETags.

    Raises :class:`ObjectError`.
    """
    directory = layout.directory(name)
    return {
        listed.key.removeprefix(directory).removeprefix("/"): listed.etag
        for listed in objects.list(directory)
    }


def serials_in(
    objects: Objects, name: str | None, files: Mapping[str, str | None]
) -> Iterator[int | None]:
    """Yield the serials in these files of a project, or of the list of projects for None.

    ``files`` has their ETags, as far as they are known: equal ones are read once. Raises
    :class:`ObjectError`.
    """
    once = {etag or filename: filename for filename, etag in files.items()}
    for filename in once.values():
        key = f"{layout.directory(name)}/{filename}"
        try:
            yield _serial(objects, key)
        except OSError as error:  # that of a codec
            raise ObjectError(f"{objects.place}/{key}", error.strerror or str(error)) from error


def _serial(objects: Objects, key: str) -> int | None:
    if layout.V1_JSON.filename in key:  # the serial stands in front
        with suppress(ObjectError):  # of an empty object there is no first part
            found = objects.get(key, HEAD)
            serial = None if found is None else serial_of(key, found.chunks)
            if serial is not None or found is None or found.size <= HEAD:
                return serial
    found = objects.get(key)
    return None if found is None else serial_of(key, found.chunks)


def list_stands(objects: Objects) -> ListStands:
    """Return what tells the published list from another one. Raises :class:`ObjectError`."""
    key, stamp = f"{layout.ROOT}/{layout.V1_JSON.filename}", "unknown"
    with suppress(ObjectError):  # of an empty object there is no first part
        found = objects.get(key, HEAD)
        if found is None:
            return ListStands(None, "")
        stamp = found.etag or stamp
        serial = serial_of(key, found.chunks)
        if serial is not None or found.size <= HEAD:
            return ListStands(serial, stamp)
    return ListStands(_serial(objects, key), stamp)


def standing(objects: Objects, slash: str | None, name: str | None) -> Standing:
    """Return what stands below a project's name, or beside the projects' for None.

    ``slash`` is the form that also stands under the name of its directory.
    """
    see = partial(_seen, objects, slash, name)
    try:
        if name is None:  # a listing would be one of everything
            found = tuple(seen for seen in map(see, sorted(OURS)) if seen.problem != _GONE)
            return Standing(there=bool(found) or _anything(objects), entries=found)
        ignored = slash is not None or not objects.slashes
        filenames = files_in(objects, name).keys() - ({SLASH} if ignored else set())
        return Standing(there=bool(filenames), entries=tuple(map(see, sorted(filenames))))
    except ObjectError as error:
        return Standing(problem=str(error))


def _anything(objects: Objects) -> bool:
    return next(objects.list(layout.ROOT), None) is not None


def _seen(objects: Objects, slash: str | None, name: str | None, filename: str) -> Seen:
    if filename not in OURS:
        return Seen(name=filename)
    try:
        found = objects.get(f"{layout.directory(name)}/{filename}")
        if found is None:
            return Seen(name=filename, problem=_GONE)
        seen = seen_in(filename, found.chunks, _wrong(filename, found.content))
        return _with_slash(objects, name, seen) if filename == slash else seen
    except ObjectError as error:
        return Seen(name=filename, problem=error.problem)
    except OSError as error:  # a codec that is not installed
        return Seen(name=filename, problem=error.strerror)


def _with_slash(objects: Objects, name: str | None, seen: Seen) -> Seen:
    """Return ``seen``, and whether the same stands under the name of the directory."""
    found = objects.get(f"{layout.directory(name)}/")
    if found is not None:
        wrong = _wrong(seen.name, found.content)
        same = wrong is None and seen_in(seen.name, found.chunks).digest == seen.digest
        if same:
            return seen
    return replace(seen, wrong_mode="not the same under the name with the slash alone")


def _wrong(filename: str, content: Content) -> str | None:
    """Return what an object wrongly says of itself: a web server's matter elsewhere."""
    said = layout.headers(filename)
    for what, found, wanted in (
        ("content type", content.type, said.content_type),
        ("cache rule", content.cache, said.cache),
        ("encoding", content.encoding, said.encoding),
    ):
        if (found or None) != wanted:
            return f"{what} {found or 'missing'}, not {wanted or 'any'}"
    return None
