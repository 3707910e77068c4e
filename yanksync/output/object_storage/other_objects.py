"""Objects of an output beside the pages of projects.

Written, listed and deleted.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import IO, Any

from yanksync.core.errors import PreconditionFailed, PublishError
from yanksync.output.digests import digest_of
from yanksync.output.files import OutputFile, batches
from yanksync.output.object_storage.bucket import (
    MUST_NOT_EXIST,
    BucketClient,
    ObjectHeaders,
    StoredObject,
)
from yanksync.output.object_storage.conditional_writes import ConditionalWrites
from yanksync.output.object_storage.published_objects import PublishedObjects, publish_errors

_SHORT = 1 << 20  # bytes


class OtherObjects(PublishedObjects):
    """A bucket with objects that belong to no project's page."""

    def __init__(
        self,
        bucket: BucketClient,
        slash: str | None = None,
        writes: ConditionalWrites | None = None,
    ) -> None:
        """Publish to ``bucket``.

        ``slash`` is the form that is also put under the name of its directory with a slash at the
        end. Clients ask for that key if the bucket has no index documents. With ``writes`` each put
        and each deletion has a condition, and every method may raise
        :class:`yanksync.core.errors.LeaseLost`.
        """
        super().__init__(bucket, slash)
        self._writes = writes

    @publish_errors()
    def write_files(self, files: Iterable[OutputFile]) -> None:
        """Replace these objects, several at once.

        With a state in the bucket, the ETag of each object is read just before. The put has the
        condition that the object still has this ETag (R11). The bodies are made in the caller's
        thread.
        """
        for batch in batches(files):
            with ExitStack() as stack:
                bodies = [_body(file, stack) for file in batch]
                for _ in self._workers().map(self._write_file, batch, bodies):
                    pass

    def _write_file(self, file: OutputFile, body: Any) -> None:
        said = file.headers
        content = ObjectHeaders(type=said.content_type, cache=said.cache, encoding=said.encoding)
        self._put_file(file.path, body, content)

    def _put_file(self, path: str, body: Any, content: ObjectHeaders) -> None:
        if self._writes is None:
            self._bucket.put(path, body, content)
            return
        self._writes.has_written = True
        try:
            self._bucket.put(path, body, content, self._bucket.etag(path) or MUST_NOT_EXIST)
        except PreconditionFailed as error:
            raise self._writes.changed_error(error.where) from None

    @publish_errors()
    def read_file(self, path: str) -> bytes | None:
        """Return an object of the output; None if it is missing."""
        found = self._bucket.get(path)
        return None if found is None else found.body()

    def file_chunks(self, path: str) -> Iterator[bytes] | None:
        """Return the bytes of an object; None if it is missing."""
        with publish_errors():
            found = self._bucket.get(path)
        return None if found is None else self._chunks(found)

    def _chunks(self, found: StoredObject) -> Iterator[bytes]:
        with publish_errors():
            yield from found.chunks

    def file_digest(self, path: str) -> bytes | None:
        """Return the digest of an object; None if it is missing."""
        chunks = self.file_chunks(path)
        return None if chunks is None else digest_of(chunks)

    def list_files(self, directory: str) -> Iterator[str]:
        """Yield the paths of all objects below a directory."""
        with publish_errors():
            yield from (listed.key for listed in self._bucket.list(directory))

    @publish_errors()
    def delete_files(self, paths: Iterable[str]) -> None:
        """Delete objects."""
        found = list(paths)
        if found and self._writes is not None:
            self._writes.has_written = True
        self._bucket.delete(found)


def _body(file: OutputFile, stack: ExitStack) -> Any:
    """Return a file's body for the client, long ones from disk."""
    chunks, start = iter(file.chunks()), b""
    while len(start) < _SHORT:
        chunk = next(chunks, None)
        if chunk is None:
            return start
        start += chunk
    try:
        return mapped(stack.enter_context(spooled(chain((start,), chunks))))
    except OSError as error:
        why = f"no room for {file.path}: {error.strerror}"
        raise PublishError(tempfile.gettempdir(), why) from error


def spooled(chunks: Iterable[bytes]) -> IO[bytes]:
    """Return a file with ``chunks``, which are too long for memory."""
    file = tempfile.TemporaryFile(prefix="yanksync-")  # noqa: SIM115 - the caller closes it
    try:
        for chunk in chunks:
            file.write(chunk)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def mapped(file: IO[bytes]) -> Any:
    """Return the content of a file, without a copy of it."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
