"""Publishing to object storage.

It works with S3 and similar servers, with Google and with Azure. A put replaces one object in one
step; several objects cannot be replaced in one step. So the objects of a project are put one after
the other, compressed copies before their page (R12). If one object cannot be put, the project is a
failure: it stays unpublished, and the next run puts all its objects again. yanksync's own digests,
and not ETags, say what is published.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any

from yanksync.core import layout
from yanksync.core.errors import ObjectStorageError, PreconditionFailed, PublishError
from yanksync.output.compress import compress, compress_chunks
from yanksync.output.object_storage.bucket import MUST_NOT_EXIST, ObjectHeaders
from yanksync.output.object_storage.conditional_writes import ConditionalWrites
from yanksync.output.object_storage.inventory import SLASH
from yanksync.output.object_storage.other_objects import OtherObjects, mapped, spooled
from yanksync.output.object_storage.published_objects import publish_errors
from yanksync.output.reconcile import FormUpdate, Operation, RemoveProject, WriteProject
from yanksync.output.store import (
    EtagTable,
    FreeSpace,
    ListForm,
    StoreFailure,
    obsolete_list_files,
)

_IN_A_ROW = 4  # projects that failed in a row: then the rest of the batch is not tried
_CHUNK = 1 << 20  # bytes


class _FailureStreak:
    """Counts the failures of a batch in a row.

    If all puts fail, it is useless to try the rest.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed = 0  # in an unbroken row
        self.why: str | None = None  # why the rest is not tried

    def note_result(self, why: str | None) -> None:
        """Note the result of a project; None: success."""
        with self._lock:
            self._failed = 0 if why is None else self._failed + 1
            if self._failed >= _IN_A_ROW:
                self.why = why


class ObjectStore(OtherObjects):
    """Publishes to a bucket, or to a part of one."""

    compress = staticmethod(compress)
    """Every page has its copies. A rule of a CDN may ask for ``….gz``. It then finds only that:
    a bucket, unlike a web server, has no second choice."""

    def prepare(self) -> None:
        """Ignore the call: a bucket needs no directories, and objects are whole."""

    @property
    def is_conditional(self) -> bool:
        """True if puts and deletions need the ETag in the state."""
        return self._writes is not None

    def conditions(self, etags: EtagTable, names: Iterable[str]) -> AbstractContextManager[None]:
        """Allow puts of ``names`` inside, if they still have ``etags``."""
        return nullcontext() if self._writes is None else self._writes.of(etags, names)

    def forget_etags(self, etags: EtagTable, name: str, filenames: Iterable[str]) -> None:
        """Read the ETags of these objects again before they are put."""
        if self._writes is not None:
            etags.put({name: etags.of([name])[name] | dict.fromkeys(filenames)})

    def apply(self, operations: Sequence[Operation]) -> tuple[StoreFailure, ...]:
        """Do ``operations``, several at once; return the failures."""
        luck = _FailureStreak()

        def work_off(operation: Operation) -> StoreFailure | None:
            why = luck.why
            if why is None:
                try:
                    self._do(operation)
                except ObjectStorageError as error:
                    why = str(error)
                luck.note_result(why)
            return None if why is None else StoreFailure(operation.name, why)

        if len(operations) == 1:
            done: Iterable[StoreFailure | None] = [work_off(operations[0])]
        else:
            done = self._workers().map(work_off, operations)
        return tuple(failure for failure in done if failure is not None)

    def _do(self, operation: Operation) -> None:
        if isinstance(operation, RemoveProject):
            self._delete(operation.name, self._there(operation.name))
        elif isinstance(operation, WriteProject):
            self._write(operation)

    def _write(self, operation: WriteProject) -> None:
        gone: dict[str, str | None] = {}
        for form in operation.forms:
            for filename in layout.aliases(form.filename):
                gone.update((filename + layout.SUFFIX[codec], None) for codec in form.remove)
        if operation.remove_leftovers:
            keep = {name for form in operation.forms for name in self._written(form)}
            there = self._there(operation.name)
            gone |= {name: etag for name, etag in there.items() if name not in keep}
        self._delete(operation.name, gone)
        for form in operation.forms:
            for filename in layout.aliases(form.filename):
                for codec, body in form.copies:
                    self._put(operation.name, filename + layout.SUFFIX[codec], body)
                if form.body is not None:
                    self._put(operation.name, filename, form.body)
            if form.filename == self._slash and form.body is not None:
                self._put(operation.name, SLASH, form.body)

    def _written(self, form: FormUpdate) -> Iterator[str]:
        for filename in layout.aliases(form.filename):
            yield filename
            yield from (filename + layout.SUFFIX[codec] for codec, _ in form.copies)
        if form.filename == self._slash:
            yield SLASH

    def _put(self, name: str | None, filename: str, body: Any) -> None:
        said = layout.headers(filename or self._slash or "")
        content = ObjectHeaders(type=said.content_type, cache=said.cache, encoding=said.encoding)
        key = f"{layout.directory(name)}/{filename}"
        if self._writes is None:
            self._bucket.put(key, body, content)
            return
        match = self._writes.condition(name, filename)
        if match is None:  # an earlier put was given up, but may have arrived
            match = self._bucket.etag(key) or MUST_NOT_EXIST
        self._writes.note_etag(name, filename, None)
        try:
            etag = self._bucket.put(key, body, content, match)
        except PreconditionFailed as error:
            raise self._writes.changed_error(error.where) from None
        self._writes.note_etag(name, filename, etag)

    def _delete(self, name: str | None, gone: Mapping[str, str | None]) -> None:
        """Delete files of a project.

        Compressed copies come first, as for replacements. ``gone`` has the ETag of each file from a
        new listing; None: no listing was made.
        """
        pages = {form.filename for form in layout.FORMS}
        pages.add(SLASH)
        for part in (gone.keys() - pages, gone.keys() & pages):
            if self._writes is None:
                self._bucket.delete([f"{layout.directory(name)}/{one}" for one in sorted(part)])
            else:
                for filename in sorted(part):
                    self._delete_known(self._writes, name, filename, gone[filename])

    def _delete_known(
        self, writes: ConditionalWrites, name: str | None, filename: str, listed: str | None
    ) -> None:
        """Delete a file if it is the one that the state knows."""
        key = f"{layout.directory(name)}/{filename}"
        match = writes.condition(name, filename)
        if match == MUST_NOT_EXIST:
            match = listed  # another program's object with a name of yanksync's
        elif match is None:  # a put was given up, but may have arrived
            match = self._bucket.etag(key)
        if match is not None:
            writes.note_etag(name, filename, None)
            try:
                self._bucket.delete_if_match(key, match)
            except PreconditionFailed as error:
                raise writes.changed_error(error.where) from None
        writes.note_deleted(name, filename)

    @publish_errors()
    def write_list(self, forms: Sequence[ListForm], codecs: tuple[str, ...]) -> tuple[str, ...]:
        """Replace the list of projects, each file in one step."""
        copies: list[str] = []
        try:
            gone = obsolete_list_files(forms)
            for form in forms:
                copies += self._write_form(form, codecs, gone)
                gone = ()
            if self._slash is None and self._bucket.allows_trailing_slash:
                self._drop_slash()
        except OSError as error:  # it is too long for memory
            why = f"no room for the list of projects: {error.strerror}"
            raise PublishError(tempfile.gettempdir(), why) from error
        return tuple(copies)

    def _write_form(
        self, form: ListForm, codecs: tuple[str, ...], gone: tuple[str, ...]
    ) -> list[str]:
        names = layout.aliases(form.filename)
        written: list[str] = []
        with spooled(form.chunks()) as page:
            for codec in codecs:
                with spooled(compress_chunks(codec, _chunks(page))) as copy:
                    for name in names:
                        self._put(None, name + layout.SUFFIX[codec], mapped(copy))
                    written.append(layout.SUFFIX[codec])
            unwanted = [suffix for suffix in layout.SUFFIX.values() if suffix not in written]
            stale = [name + suffix for name in names for suffix in unwanted]
            self._delete(None, dict.fromkeys([*stale, *gone]))
            for name in names:
                self._put(None, name, mapped(page))
            if form.filename == self._slash:
                self._put(None, SLASH, mapped(page))
        return [form.filename + suffix for suffix in written]

    def _drop_slash(self) -> None:
        """Remove the list's key with a slash, if there was one.

        It comes first in a listing, by the order of S3's keys.
        """
        first = next(self._bucket.list(layout.ROOT), None)
        if first is not None and first.key == layout.ROOT:
            self._delete(None, {SLASH: first.etag})

    def reset_mode(self, name: str | None) -> None:
        """Ignore the call: a bucket has no modes of directories."""

    def free_space(self) -> FreeSpace | None:
        """Return None: a bucket has no limit."""
        return None


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_CHUNK):
        yield chunk
