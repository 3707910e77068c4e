"""Reads what is published in a bucket, several objects at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from yanksync.core import layout
from yanksync.core.errors import ObjectStorageError, PublishError
from yanksync.output.inventory import OURS, DirectoryContent
from yanksync.output.object_storage.bucket import BucketClient
from yanksync.output.object_storage.inventory import (
    SLASH,
    directory_content,
    etags_of_files,
    published_list,
    serials_in_objects,
)
from yanksync.output.published_serials import LARGEST, highest_serial
from yanksync.output.store import PublishedList

WORKERS = 32
"""Projects put at the same time: twice as many puts a second as with 16."""


@contextmanager
def publish_errors() -> Iterator[None]:
    """Raise errors of the storage inside as :class:`PublishError`."""
    try:
        yield
    except ObjectStorageError as error:
        raise PublishError(error.where, error.problem) from error


class PublishedObjects:
    """Reads the published objects of a bucket."""

    def __init__(self, bucket: BucketClient, slash: str | None = None) -> None:
        """``slash`` is the form that has a key with a slash."""
        self._bucket = bucket
        self._slash = slash
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Stop the threads after their current requests."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _workers(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="put")
        return self._pool

    def _there(self, name: str) -> dict[str, str | None]:
        """Return yanksync's files of a project, with their ETags."""
        ours = {*OURS, SLASH} if self._bucket.allows_trailing_slash else OURS
        found = etags_of_files(self._bucket, name).items()
        return {filename: etag for filename, etag in found if filename in ours}

    @publish_errors()
    def read(self, name: str | None, filename: str) -> bytes | None:
        """Return a published file; None if it is missing."""
        found = self._bucket.get(f"{layout.directory(name)}/{filename}")
        if found is not None and found.size > LARGEST:
            where = f"{self._bucket.location}/{layout.directory(name)}/{filename}"
            raise PublishError(where, "is larger than any page")
        return None if found is None else found.body()

    @publish_errors()
    def serial(self, name: str) -> int | None:
        """Return the highest serial in the published files of a project."""
        return highest_serial(serials_in_objects(self._bucket, name, self._there(name)))

    def serials(
        self, names: Sequence[str], *, quick: bool = False
    ) -> Iterator[int | PublishError | None]:
        """Yield the serial of each project, or why it cannot be read."""
        read = self._quick_serial if quick else self.serial
        for start in range(0, len(names), WORKERS):  # the caller may stop in between
            part = names[start : start + WORKERS]
            yield from self._workers().map(partial(_serial_or_error, read), part)

    @publish_errors()
    def _quick_serial(self, name: str) -> int | None:
        return highest_serial(
            serials_in_objects(self._bucket, name, {layout.V1_JSON.filename: None})
        )

    def list_serial(self) -> int | None:
        """Return the highest serial of the JSON list and its copies.

        These are put before its other forms.
        """
        family = layout.with_compressed(layout.V1_JSON.filename)
        with publish_errors():
            return highest_serial(serials_in_objects(self._bucket, None, dict.fromkeys(family)))

    @publish_errors()
    def published_list(self) -> PublishedList:
        """Return the ETag of the published list."""
        return published_list(self._bucket)

    def names(self) -> Iterator[str]:
        """Yield the names of projects below ``simple/``."""
        last = None
        with publish_errors():
            for listed in self._bucket.list(layout.ROOT):
                name, slash, _ = listed.key.removeprefix(f"{layout.ROOT}/").partition("/")
                if slash and name != last:
                    yield name
                    last = name

    def directory_content(self, name: str | None) -> DirectoryContent:
        """Return the objects of a project; None: those beside the projects."""
        return directory_content(self._bucket, self._slash, name)

    def directory_contents(self, names: Sequence[str]) -> Iterator[DirectoryContent]:
        """Yield the objects of each of ``names``, reading several at once."""
        return self._workers().map(self.directory_content, names)


def _serial_or_error(read: Callable[[str], int | None], name: str) -> int | PublishError | None:
    try:
        return read(name)
    except PublishError as error:
        return error
