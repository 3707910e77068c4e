"""Object storage, as its client gives it: keys, bodies, ETags. The only importer of obstore.

Whatever the client raises comes out as :class:`yanksync.errors.ObjectError`, in one line and
without credentials; a missing object is None.

The client strips a slash from the end of a key. But it takes a bucket's name as it is and puts a
slash and the key behind it. So the object ``simple/demo/`` is, to a client of its own, the one with
the empty key in the bucket ``mirror/simple/demo``; a test holds a real server to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from yanksync import __version__
from yanksync.errors import ConfigError, ObjectChanged, ObjectError, YanksyncError
from yanksync.settings import Bucket, Storage, StorageValue, is_loopback

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

_CLIENT = frozenset(
    (
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "default_content_type",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_url",
        "proxy_ca_certificate",
        "proxy_excludes",
        "randomize_addresses",
        "read_timeout",
        "root_certificate",
        "timeout",
        "user_agent",
    )
)  # keys of [storage] about the connection; the others name the storage and the credentials
_NOT_HERE = ("bucket", "bucket_name", "container", "container_name", "prefix")
_SHOWN = frozenset(
    {*_CLIENT, "max_retries", "retry_timeout", "region", "endpoint", "virtual_hosted_style_request"}
) - {"proxy_url"}  # keys whose values hold no secret
_RETRIES = 3
_RETRY_TIMEOUT = 60.0  # seconds from the first try on, after which there is no other
_TIMEOUT = 30.0  # seconds for one try
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}


class Content(Struct, frozen=True, kw_only=True):
    """What an object says of itself in the headers of its answer."""

    type: str | None = None
    cache: str | None = None
    encoding: str | None = None


class Listed(Struct, frozen=True):
    """An object in a listing."""

    key: str
    etag: str | None


class Found(Struct, frozen=True, kw_only=True):
    """An object as it was read."""

    chunks: Iterator[bytes]
    etag: str | None
    modified: datetime  # by the clock of the storage
    content: Content
    size: int  # bytes

    def body(self) -> bytes:
        """Return the whole body. Raises :class:`ObjectError`."""
        return b"".join(self.chunks)


class Patience(Struct, frozen=True):
    """How long one request may take."""

    timeout: float  # seconds for one try
    retry_timeout: float  # seconds from the first try on, after which there is no other
    pause: float = 15.0  # seconds between two tries at the most

    @property
    def longest(self) -> float:
        """Return how many seconds a request may take in all, retries included."""
        return self.timeout + self.retry_timeout + self.pause


NEW = ""
"""As ``match``: the object must not be there yet."""


class Objects:
    """The objects of a bucket below a prefix. May be used by several threads."""

    def __init__(
        self,
        place: Bucket,
        storage: Storage,
        source: str,
        patience: Patience | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Make the client; asks nothing of anybody.

        ``source`` is whom to name for what is wrong with ``storage``; ``patience`` overrides what
        it says of times; ``before`` is called before each request, and may raise. Raises
        :class:`ConfigError`.
        """
        import obstore  # start-up: only a mirror in object storage needs it

        self._obstore = obstore
        self.place = place
        self._before = before
        self._given = (storage, source, patience)
        self._client = _client(place, *self._given)
        self._secrets = _secrets(storage)

    def get(self, key: str, most: int | None = None) -> Found | None:
        """Return an object, or its first ``most`` bytes; None when it is not there."""
        self._before()
        options: Any = None if most is None else {"range": (0, most)}
        try:
            found = self._obstore.get(*self._at(key), options=options)
        except Exception as error:
            self._unless_missing(error, key)
            return None
        content = Content(
            type=found.attributes.get("Content-Type"),
            cache=found.attributes.get("Cache-Control"),
            encoding=found.attributes.get("Content-Encoding"),
        )
        return Found(
            chunks=self._chunks(found, key),
            etag=found.meta["e_tag"],
            modified=found.meta["last_modified"],
            content=content,
            size=found.meta["size"],
        )

    def etag(self, key: str) -> str | None:
        """Return the ETag of an object; None when it is not there."""
        self._before()
        try:
            return self._obstore.head(*self._at(key))["e_tag"]
        except Exception as error:
            self._unless_missing(error, key)
            return None

    def _chunks(self, found: Any, key: str) -> Iterator[bytes]:
        try:
            for chunk in found.stream():
                yield bytes(chunk)
        except Exception as error:
            raise self._error(error, key) from None

    def put(self, key: str, body: Any, content: Content, match: str | None = None) -> str | None:
        """Write an object in one step; return its ETag.

        ``match`` is the ETag that it must have now, :data:`NEW` that it must not be there, None
        that nothing is asked. Raises :class:`ObjectChanged` when that is not so, unless it has
        become what ``body`` says: then the answer to this put was lost. Raises
        :class:`ObjectError`.
        """
        for left in range(_RETRIES, -1, -1):
            try:
                return self._put_once(key, body, content, match)
            except ObjectError as error:
                if match is None or (error.answered and not isinstance(error, ObjectChanged)):
                    raise
                # The client does not try a put with a condition again when the connection is lost.
                found = self.get(key)
                if found is not None and found.body() == bytes(body):
                    return found.etag
                if left == 0 or error.answered:
                    raise
        raise AssertionError("unreachable")

    def _put_once(self, key: str, body: Any, content: Content, match: str | None) -> str | None:
        given = {
            "Content-Type": content.type,
            "Cache-Control": content.cache,
            "Content-Encoding": content.encoding,
        }
        self._before()
        mode: Any = "overwrite" if match is None else "create" if match == NEW else {"e_tag": match}
        try:
            done = self._obstore.put(
                *self._at(key),
                body,
                attributes={name: value for name, value in given.items() if value is not None},
                mode=mode,
                use_multipart=False,  # parts know no condition, and leave remains behind
            )
        except Exception as error:
            raise self._error(error, key) from None
        return done["e_tag"]

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are no error."""
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
            for key in keys:  # where there is no deletion of many, a missing one ends it
                if not key.endswith("/"):
                    self._delete_one(key)
        except Exception as error:
            raise self._error(error, keys[0]) from None

    def _delete_one(self, key: str) -> None:
        self._before()
        try:
            self._obstore.delete(*self._at(key))
        except Exception as error:
            self._unless_missing(error, key)

    def list(self, directory: str) -> Iterator[Listed]:
        """Yield all objects below a directory, those of each of its directories together."""
        start = len(self.place.prefix) + 1 if self.place.prefix else 0
        try:
            pages = iter(self._obstore.list(self._client, self._path(directory)))
            while True:
                self._before()
                page = next(pages, None)
                if page is None:
                    return
                for meta in page:
                    yield Listed(meta["path"][start:], meta["e_tag"])
        except YanksyncError:
            raise
        except Exception as error:
            raise self._error(error, directory) from None

    def _path(self, key: str) -> str:
        return f"{self.place.prefix}/{key}" if self.place.prefix else key

    def _at(self, key: str) -> tuple[Client, str]:
        """Return the client and the path that stand for a key."""
        if not key.endswith("/"):
            return self._client, self._path(key)
        within = Bucket(scheme="s3", bucket=f"{self.place.bucket}/{self._path(key[:-1])}")
        return _client(within, *self._given, single=True), ""

    def _unless_missing(self, error: Exception, key: str) -> None:
        if not isinstance(error, FileNotFoundError) or _NO_BUCKET.search(str(error)):
            raise self._error(error, key) from None

    def _error(self, error: Exception, key: str) -> ObjectError:
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        url = f"{self.place.root}/{self._path(key)}"
        if isinstance(error, AlreadyExistsError | PreconditionError):
            # 409 on an unconditional put is named like this, too, and is no change of ours to see.
            return ObjectChanged(url, "somebody else has changed it", answered=True)
        if isinstance(error, FileNotFoundError) and not _NO_BUCKET.search(str(error)):
            return ObjectChanged(url, "it is not there any more", answered=True)
        text = str(error)
        answered = _STATUS.search(text) is not None
        return ObjectError(url, problem(text, self._secrets), answered=answered)


_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
_STATUS = re.compile(r"status code: (\d{3}[^:]*)")
_CODE = re.compile(r"<Code>([^<]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,200})</Message>")
_RETRIED = re.compile(r"after (\d+) retries")
_QUERY = re.compile(r"\?\S*")
_LONGEST = 300  # characters of what a client has to say
_HINTS = (
    (_NO_BUCKET, "make the bucket first"),
    (
        re.compile("169.254.169.254"),
        "no credentials: neither [storage] nor the environment has any",
    ),
    (
        re.compile("SignatureDoesNotMatch|InvalidAccessKeyId|AuthorizationHeaderMalformed"),
        "see access_key_id, secret_access_key and region in [storage] or the environment",
    ),
    (re.compile("AccessDenied|403 Forbidden"), "see what these credentials may do"),
)


def problem(text: str, secrets: Sequence[str] = ()) -> str:
    """Return in one line what an error of the client says, without secrets and signatures."""
    status, code = _STATUS.search(text), _CODE.search(text)
    hint = next((f"; {advice}" for pattern, advice in _HINTS if pattern.search(text)), "")
    if status is not None:
        message = _MESSAGE.search(text)
        said = status[1].strip() if code is None else f"{code[1]} ({status[1].strip()})"
        said += f": {message[1].strip()}" if message is not None else ""
        said = said.rstrip(".")
    else:
        said = text.partition("\n\nDebug source")[0]
    retried = _RETRIED.search(text)
    if retried is not None and status is not None:
        said += f", after {retried[1]} retries"
    for secret in secrets:
        said = said.replace(secret, "***")
    return " ".join(_QUERY.sub("", said).split())[:_LONGEST] + hint


def _secrets(storage: Storage) -> tuple[str, ...]:
    return tuple(
        value
        for key, value in storage.options
        if key not in _SHOWN and isinstance(value, str) and value
    )


def _client(
    place: Bucket,
    storage: Storage,
    source: str,
    patience: Patience | None,
    *,
    single: bool = False,  # each deletion is a request of its own
) -> Client:
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    options = dict(storage.options)
    _check(options, source)
    retry = _retry(options, source)
    connection: Any = {key: _plain(options.pop(key)) for key in _CLIENT & options.keys()}
    connection = {"timeout": f"{_TIMEOUT:g}s", "user_agent": f"yanksync/{__version__}"} | connection
    if patience is not None:
        connection["timeout"] = f"{int(patience.timeout * 1000)}ms"
        retry["retry_timeout"] = timedelta(seconds=patience.retry_timeout)
        retry["backoff"] = {"max_backoff": timedelta(seconds=patience.pause)}
    given: Any = {key: _plain(value) for key, value in options.items()}
    if single:
        given["disable_bulk_delete"] = True
    make: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[place.scheme]
    try:
        client: Client = make(
            place.bucket, config=given, client_options=connection, retry_config=retry
        )
    except (BaseError, ValueError, TypeError) as error:
        raise ConfigError(_culprit(str(error), options), source, _why(error, storage)) from None
    return client


def _check(options: dict[str, StorageValue], source: str) -> None:
    """Refuse what the client would stumble over, or take in another sense."""
    for key in _NOT_HERE:
        if key in options:
            raise ConfigError(f"storage.{key}", source, "belongs into mirror.output")
    for key in ("endpoint", "aws_endpoint", "aws_endpoint_url", "endpoint_url"):
        if key in options:
            _check_endpoint(f"storage.{key}", str(options[key]), options, source)


def _check_endpoint(key: str, text: str, options: dict[str, StorageValue], source: str) -> None:
    try:
        url = urlsplit(text)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid or "@" in text:
        raise ConfigError(key, source, "must be an http or https URL like https://s3.example.org")
    if url.scheme == "http" and "allow_http" not in options:
        if not is_loopback(url.hostname or ""):
            raise ConfigError(key, source, "plain http needs storage.allow_http = true")
        options["allow_http"] = True


def _retry(options: dict[str, StorageValue], source: str) -> Any:
    times = options.pop("max_retries", _RETRIES)
    if not str(times).isdecimal():
        raise ConfigError("storage.max_retries", source, "must be a whole number")
    match = _DURATION.fullmatch(str(options.pop("retry_timeout", _RETRY_TIMEOUT)))
    if match is None:
        raise ConfigError("storage.retry_timeout", source, 'must be seconds, or a time like "60s"')
    seconds = float(match[1]) * _UNITS[match[2]]
    return {"max_retries": int(times), "retry_timeout": timedelta(seconds=seconds)}


def _plain(value: StorageValue) -> str | bool:
    """Return a value as the client takes it: it reads numbers and times from text."""
    return value if isinstance(value, bool) else str(value)


def _culprit(text: str, options: Mapping[str, StorageValue]) -> str:
    """Return the key that an error of the client names, if it names one."""
    named = [key for key in options if re.search(rf"\b{re.escape(key)}\b", text)]
    return f"storage.{named[0]}" if named else "storage"


def _why(error: Exception, storage: Storage) -> str:
    text = str(error).partition("\n\nDebug source")[0]
    for _, value in storage.options:  # the client repeats what it cannot read
        if isinstance(value, str) and len(value) > 1:
            text = text.replace(f'"{value}"', '"***"')
    if "is not valid for store" in text:
        return "the client of this storage knows no such key"
    return " ".join(text.split())[:_LONGEST]
