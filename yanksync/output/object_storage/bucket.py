"""Reads and writes objects by key, with their ETags.

All errors of the client become :class:`yanksync.core.errors.ObjectStorageError`, in one line and
without credentials. A missing object is None.

The client strips a slash from the end of a key. But the client for S3 does not change the name of a
bucket, and adds a slash and the key. So a separate client for the bucket ``mirror/simple/demo``
with an empty key reaches the object ``simple/demo/``; a test checks this with a real server. The
clients for Google and Azure escape the name, so no such object can be written or deleted there.

ETags always have quotes here, so that they can be compared: Azure gives them with quotes in headers
and without quotes in listings. Google's condition for a put names the generation of the object
instead of its ETag, and listings have no generations. So yanksync first asks for the generation
that has the ETag. The put has the condition that the generation is still the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct

from yanksync.config.settings import Bucket, StorageSettings
from yanksync.core.errors import ObjectStorageError, PreconditionFailed, YanksyncError
from yanksync.output.object_storage.client import (
    CONFLICT,
    NO_BUCKET,
    RETRIES,
    STATUS,
    LoggedCalls,
    RequestTimeouts,
    client_for,
    describe_error,
    is_precondition_failure,
    secrets_in,
)
from yanksync.system import request_log

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client


class ObjectHeaders(Struct, frozen=True, kw_only=True):
    """The headers of an object."""

    type: str | None = None
    cache: str | None = None
    encoding: str | None = None


class ObjectInfo(Struct, frozen=True):
    """An object in a listing."""

    key: str
    etag: str | None


class StoredObject(Struct, frozen=True, kw_only=True):
    """An object that was read."""

    chunks: Iterator[bytes]
    etag: str | None
    modified: datetime  # by the clock of the storage
    headers: ObjectHeaders
    size: int  # bytes

    def body(self) -> bytes:
        """Return the whole body. Raises :class:`ObjectStorageError`."""
        return b"".join(self.chunks)


MUST_NOT_EXIST = ""
"""As ``match``: the object must not be there yet."""

_PART = 8 << 20  # bytes; S3 allows 10,000 parts
_PARTS = 2  # parts of one object that are sent at the same time
_CHANGED = "another program has changed it"


def quoted_etag(etag: str | None) -> str | None:
    """Return an ETag with quotes (RFC 9110, 8.8.3)."""
    return etag if not etag or etag.endswith('"') else f'"{etag}"'


class BucketClient:
    """The objects of a bucket below a prefix, for several threads."""

    def __init__(
        self,
        location: Bucket,
        storage: StorageSettings,
        source: str,
        timeouts: RequestTimeouts | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Make the client, without a request.

        ``source`` is named in errors about ``storage``. ``timeouts`` overrides the times of
        ``storage``. ``before`` is called before each request, and may raise. Raises
        :class:`ConfigError`.
        """
        import obstore  # start-up: only a mirror in object storage needs it

        self.location = location
        self._before = before
        self._given = (storage, source, timeouts)
        self._client = client_for(location, *self._given)
        self._secrets = secrets_in(storage)
        self._obstore: Any = obstore
        if request_log.is_wanted():
            self._obstore = LoggedCalls(obstore, location.root, self._secrets)

    @property
    def allows_trailing_slash(self) -> bool:
        """Whether keys may end with a slash."""
        return self.location.scheme == "s3"

    def get(self, key: str, limit: int | None = None) -> StoredObject | None:
        """Return an object, or its first ``limit`` bytes; None: missing."""
        self._before()
        options: Any = None if limit is None else {"range": (0, limit)}
        try:
            found = self._obstore.get(*self._at(key), options=options)
        except Exception as error:
            self._unless_missing(error, key)
            return None
        content = ObjectHeaders(
            type=found.attributes.get("Content-Type"),
            cache=found.attributes.get("Cache-Control"),
            encoding=found.attributes.get("Content-Encoding"),
        )
        return StoredObject(
            chunks=self._chunks(found, key),
            etag=quoted_etag(found.meta["e_tag"]),
            modified=found.meta["last_modified"],
            headers=content,
            size=found.meta["size"],
        )

    def etag(self, key: str) -> str | None:
        """Return the ETag of an object; None: missing."""
        return self._tags(key)[0]

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes; None: missing."""
        meta = self._head(key)
        return None if meta is None else int(meta["size"])

    def _tags(self, key: str) -> tuple[str | None, str | None]:
        """Return the ETag and generation of an object, if any."""
        meta = self._head(key)
        return (None, None) if meta is None else (quoted_etag(meta["e_tag"]), meta["version"])

    def _head(self, key: str) -> Any:
        """Return the headers of an object; None: missing."""
        self._before()
        try:
            return self._obstore.head(*self._at(key))
        except Exception as error:
            self._unless_missing(error, key)
            return None

    def _chunks(self, found: Any, key: str) -> Iterator[bytes]:
        try:
            for chunk in found.stream():
                yield bytes(chunk)
        except Exception as error:
            raise self._error(error, key) from None

    def put(
        self, key: str, body: Any, content: ObjectHeaders, match: str | None = None
    ) -> str | None:
        """Write an object in one step; return its ETag.

        ``match`` is the ETag that the object must have now. :data:`MUST_NOT_EXIST` means that it
        must not exist. None means that there is no condition. Raises
        :class:`PreconditionFailed` if the condition fails. If the object already has this ``body``,
        only the answer to this put was lost, and nothing is raised. Raises
        :class:`ObjectStorageError`.
        """
        for left in range(RETRIES, -1, -1):
            try:
                return self._put_once(key, body, content, match)
            except ObjectStorageError as error:
                if match is None or (error.answered and not isinstance(error, PreconditionFailed)):
                    raise
                # If the connection is lost, the client does not repeat a put with a condition.
                found = self.get(key)
                if found is not None and found.body() == bytes(body):
                    return found.etag
                if left == 0 or error.answered:
                    raise
        raise AssertionError("unreachable")

    def _put_once(
        self, key: str, body: Any, content: ObjectHeaders, match: str | None
    ) -> str | None:
        # In one part: parts have no conditions, and abandoned parts stay.
        how: Any = {"mode": self._mode(key, match), "use_multipart": False}
        return quoted_etag(self._send(key, body, content, how)["e_tag"])

    def _send(self, key: str, body: Any, content: ObjectHeaders, how: Any) -> Any:
        given = {
            "Content-Type": content.type,
            "Cache-Control": content.cache,
            "Content-Encoding": content.encoding,
        }
        attributes = {name: value for name, value in given.items() if value is not None}
        self._before()
        try:
            return self._obstore.put(*self._at(key), body, attributes=attributes, **how)
        except YanksyncError:
            raise
        except Exception as error:
            raise self._error(error, key) from None

    def upload(self, key: str, source: Path | IO[bytes], content: ObjectHeaders) -> None:
        """Write an object that may be too large for memory.

        The object becomes visible when all of it is there. Raises :class:`ObjectStorageError`.
        """
        self._send(key, source, content, {"chunk_size": _PART, "max_concurrency": _PARTS})

    def _mode(self, key: str, match: str | None) -> Any:
        """Return the condition of a put in the client's words."""
        if match is None or match == MUST_NOT_EXIST:
            return "overwrite" if match is None else "create"
        if self.location.scheme != "gs":
            return {"e_tag": match}
        etag, generation = self._tags(key)
        if etag != match:
            raise PreconditionFailed(
                f"{self.location.root}/{self._path(key)}", _CHANGED, answered=True
            )
        return {"version": generation}

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; missing ones are no error."""
        from obstore.exceptions import NotSupportedError

        for key in keys:
            if key.endswith("/"):
                self._delete_one(key)
        paths = [self._path(key) for key in keys if not key.endswith("/")]
        if not paths:
            return
        self._before()
        try:
            self._obstore.delete(self._client, paths)
        except (FileNotFoundError, NotSupportedError):
            for key in keys:  # without batch deletion, a missing object is an error
                if not key.endswith("/"):
                    self._delete_one(key)
        except Exception as error:
            raise self._error(error, keys[0]) from None

    def delete_if_match(self, key: str, etag: str) -> None:
        """Delete an object if it has this ETag.

        A missing object is no error.

        The client has no condition for deletions, but it sends the headers that it was made with.
        So one client is made for each ETag (4 ms). It also sends the headers to the service that
        gives out credentials. If the deletion fails although the object has this ETag, the server
        may not know the header. Then the object is deleted without it, directly after its ETag was
        read. Outside S3 this is always done: Azure's deletions are batches, and Google's have no
        ETag. Raises :class:`PreconditionFailed`, :class:`ObjectStorageError`.
        """
        if self.location.scheme != "s3":
            self._delete_if(key, etag)
            return
        client, path = self._at(key, etag)
        for left in range(RETRIES, -1, -1):
            self._before()
            try:
                self._obstore.delete(client, path)
                return
            except Exception as error:
                found = self._error(error, key)
            now = self.etag(key)
            if now is None:
                return
            if now != etag:
                raise PreconditionFailed(found.where, _CHANGED, answered=True)
            if found.answered or left == 0:
                self._delete_one(key)  # this raises the same error
                return

    def _delete_if(self, key: str, etag: str) -> None:
        for left in range(RETRIES, -1, -1):
            now = self.etag(key)
            if now is None:
                return
            if now != etag:
                raise PreconditionFailed(
                    f"{self.location.root}/{self._path(key)}", _CHANGED, answered=True
                )
            try:
                self._delete_one(key)
                return
            except ObjectStorageError as error:
                if error.answered or left == 0:
                    raise

    def _delete_one(self, key: str) -> None:
        self._before()
        try:
            self._obstore.delete(*self._at(key))
        except Exception as error:
            self._unless_missing(error, key)

    def list(self, directory: str) -> Iterator[ObjectInfo]:
        """Yield all objects below a directory, grouped by subdirectory."""
        start = len(self.location.prefix) + 1 if self.location.prefix else 0
        try:
            pages = iter(self._obstore.list(self._client, self._path(directory)))
            while True:
                self._before()
                page = next(pages, None)
                if page is None:
                    return
                for meta in page:
                    yield ObjectInfo(meta["path"][start:], quoted_etag(meta["e_tag"]))
        except YanksyncError:
            raise
        except Exception as error:
            raise self._error(error, directory) from None

    def _path(self, key: str) -> str:
        return f"{self.location.prefix}/{key}" if self.location.prefix else key

    def _at(self, key: str, match: str | None = None) -> tuple[Client, str]:
        """Return the client and the path for a key.

        ``match`` is for deletions.
        """
        if key.endswith("/"):
            assert self.allows_trailing_slash
            within = Bucket(scheme="s3", bucket=f"{self.location.bucket}/{self._path(key[:-1])}")
            return client_for(within, *self._given, single=True, match=match), ""
        if match is not None:
            return client_for(self.location, *self._given, match=match), self._path(key)
        return self._client, self._path(key)

    def _unless_missing(self, error: Exception, key: str) -> None:
        if not isinstance(error, FileNotFoundError) or NO_BUCKET.search(str(error)):
            raise self._error(error, key) from None

    def _error(self, error: Exception, key: str) -> ObjectStorageError:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        url, text = f"{self.location.root}/{self._path(key)}", str(error)
        conflict = CONFLICT.search(text) is not None
        if isinstance(error, AlreadyExistsError | PreconditionError) and is_precondition_failure(
            text
        ):
            return PreconditionFailed(url, _CHANGED, answered=True)
        if isinstance(error, FileNotFoundError) and not NO_BUCKET.search(text):
            return PreconditionFailed(url, "it is not there any more", answered=True)
        answered = STATUS.search(text) is not None and not conflict
        return ObjectStorageError(url, describe_error(text, self._secrets), answered=answered)
