"""Makes the client of object storage, and explains its errors.

The options of the client are those of ``[storage]``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from yanksync import __version__
from yanksync.config.settings import Bucket, StorageSettings, StorageValue
from yanksync.core.errors import ConfigError
from yanksync.core.urls import is_loopback
from yanksync.system.request_log import log_done, log_failure

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
_ENDPOINTS = (
    "endpoint",
    "aws_endpoint",
    "aws_endpoint_url",
    "endpoint_url",
    "azure_endpoint",
    "azure_storage_endpoint",
    "base_url",
    "google_base_url",
)
_SHOWN = frozenset(
    {
        *_CLIENT,
        *_ENDPOINTS,
        "account_name",
        "max_retries",
        "region",
        "retry_timeout",
        "virtual_hosted_style_request",
    }
) - {"proxy_url"}  # keys whose values are no secrets
RETRIES = 3
"""How often a request is tried again."""
_RETRY_TIMEOUT = 60.0  # seconds after the first try in which another may start
_TIMEOUT = 30.0  # seconds for one try
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}


class RequestTimeouts(Struct, frozen=True):
    """How long one request may take."""

    timeout: float  # seconds for one try
    retry_timeout: float  # seconds after the first try in which another may start
    pause: float = 15.0  # seconds between two tries at most

    @property
    def longest(self) -> float:
        """Return how many seconds a request may take in all, retries included."""
        return self.timeout + self.retry_timeout + self.pause


NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE)
STATUS = re.compile(r"status code: (\d{3}[^:]*)")
CONFLICT = re.compile("ConditionalRequestConflict|OperationAborted")
"""The client's words for three answers: one of a server, one for a missing bucket, and S3's 409.

That 409 says that another request for the object was unfinished. It leaves open how that request
ended."""
_CODE = re.compile(r"<Code>([^<]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<\n]{1,200})")  # Azure's has more lines
_RETRIED = re.compile(r"after (\d+) retries")
_QUERY = re.compile(r"\?\S*")
_LONGEST = 300  # characters of an error text
_HINTS = (
    (re.compile("ContainerNotFound"), "make the container first"),
    (NO_BUCKET, "make the bucket first"),
    (
        re.compile(r"169\.254\.169\.254|metadata\.google\.internal"),
        "no credentials: neither [storage] nor the environment has any",
    ),
    (re.compile("LeaseIdMissing"), "it is locked with a lease of Azure's"),
    (
        re.compile("InvalidResourceName|OutOfRangeInput"),
        "a container has 3 to 63 lower-case letters, digits and hyphens",
    ),
    (
        re.compile("AuthenticationFailed|AuthenticationInfo|AuthorizationFailure"),
        "see account_name, account_key or sas_key in [storage] or the environment",
    ),
    (
        re.compile("SignatureDoesNotMatch|InvalidAccessKeyId|AuthorizationHeaderMalformed"),
        "see access_key_id, secret_access_key and region in [storage] or the environment",
    ),
    (re.compile("AccessDenied|403 Forbidden"), "see what these credentials may do"),
)


def describe_error(text: str, secrets: Sequence[str] = ()) -> str:
    """Return the text of an error in one line, without secrets."""
    status, code = STATUS.search(text), _CODE.search(text)
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


class LoggedCalls:
    """The functions of obstore, with a log of each call."""

    def __init__(self, functions: Any, root: str, secrets: Sequence[str]) -> None:
        """``root`` is the address of the bucket for the log."""
        self._functions = functions
        self._root = root
        self._secrets = secrets

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._functions, name)

        def logged(client: object, path: Any, *args: Any, **options: Any) -> Any:
            key = path if isinstance(path, str) else f"{path[0]} … ({len(path)} objects)"
            what, began = f"{name} {self._root}/{key}", time.monotonic()
            try:
                answer = call(client, path, *args, **options)
            except Exception as error:
                missing = isinstance(error, FileNotFoundError)
                problem = "not there" if missing else describe_error(str(error), self._secrets)
                log_failure(what, problem, time.monotonic() - began)
                raise
            log_done(what, time.monotonic() - began)
            return answer

        return logged


def is_precondition_failure(text: str) -> bool:
    """Return True if a 409 or 412 is a failed condition.

    S3 and Google answer 412 then. Azure answers 412, or 409 if the object must not exist. Azure
    sends the same codes for an object that is locked or cannot be replaced. That is another case.
    """
    code, status = _CODE.search(text), STATUS.search(text)
    if code is None or status is None:
        return True
    if status[1].startswith("409"):
        return code[1] == "BlobAlreadyExists"
    return not code[1].startswith("Lease")


def may_be_shown(key: str) -> bool:
    """Return whether the value of a key of ``[storage]`` may be shown."""
    return key in _SHOWN


def secrets_in(storage: StorageSettings) -> tuple[str, ...]:
    """Return the secret values of ``storage``, to keep them out of messages."""
    return tuple(
        value
        for key, value in storage.options
        if not may_be_shown(key) and isinstance(value, str) and value
    )


def client_for(
    location: Bucket,
    storage: StorageSettings,
    source: str,
    timeouts: RequestTimeouts | None,
    *,
    single: bool = False,  # each deletion is a separate request
    match: str | None = None,  # sent with each request: the ETag that the object must have
) -> Client:
    """Return a client for the bucket of ``location``, without a request.

    ``source`` is named in errors about ``storage``. ``timeouts`` overrides the times of
    ``storage``. Raises :class:`ConfigError`.
    """
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    options = dict(storage.options)
    _check(options, source)
    retry = _retry(options, source)
    connection: Any = {key: _plain(options.pop(key)) for key in _CLIENT & options.keys()}
    connection = {"timeout": f"{_TIMEOUT:g}s", "user_agent": f"yanksync/{__version__}"} | connection
    if timeouts is not None:
        connection["timeout"] = f"{int(timeouts.timeout * 1000)}ms"
        retry["retry_timeout"] = timedelta(seconds=timeouts.retry_timeout)
        retry["backoff"] = {"max_backoff": timedelta(seconds=timeouts.pause)}
    given: Any = {key: _plain(value) for key, value in options.items()}
    if match is not None:
        connection["default_headers"] = {"If-Match": match}
    if single or match is not None:
        given["disable_bulk_delete"] = True
    make: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[location.scheme]
    try:
        client: Client = make(
            location.bucket, config=given, client_options=connection, retry_config=retry
        )
    except (BaseError, ValueError, TypeError) as error:
        raise ConfigError(_culprit(str(error), options), source, _why(error, storage)) from None
    return client


def _check(options: dict[str, StorageValue], source: str) -> None:
    """Refuse values that the client would reject or misunderstand."""
    for key in _NOT_HERE:
        if key in options:
            raise ConfigError(f"storage.{key}", source, "belongs into mirror.output")
    for key in _ENDPOINTS:
        if key in options:
            _check_endpoint(f"storage.{key}", str(options[key]), options, source)


def _check_endpoint(key: str, text: str, options: dict[str, StorageValue], source: str) -> None:
    try:
        url = urlsplit(text)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid or "@" in text:
        raise ConfigError(
            key, source, "must be an http or https URL like https://s3.mirror.example"
        )
    if url.scheme == "http" and "allow_http" not in options:
        if not is_loopback(url.hostname or ""):
            raise ConfigError(key, source, "plain http needs storage.allow_http = true")
        options["allow_http"] = True


def _retry(options: dict[str, StorageValue], source: str) -> Any:
    times = options.pop("max_retries", RETRIES)
    if not str(times).isdecimal():
        raise ConfigError("storage.max_retries", source, "must be a whole number")
    match = _DURATION.fullmatch(str(options.pop("retry_timeout", _RETRY_TIMEOUT)))
    if match is None:
        raise ConfigError("storage.retry_timeout", source, 'must be seconds, or a time like "60s"')
    seconds = float(match[1]) * _UNITS[match[2]]
    return {"max_retries": int(times), "retry_timeout": timedelta(seconds=seconds)}


def _plain(value: StorageValue) -> str | bool:
    """Return a value in the form that the client accepts.

    It reads numbers and times from text.
    """
    return value if isinstance(value, bool) else str(value)


def _culprit(text: str, options: Mapping[str, StorageValue]) -> str:
    """Return the key that an error of the client is about."""
    named = [key for key in options if re.search(rf"\b{re.escape(key)}\b", text)]
    for words, part in (("Invalid Access Key", "_key"), ("SAS", "sas")):
        named += [key for key in options if words in text and part in key]
    return f"storage.{named[0]}" if named else "storage"


def _why(error: Exception, storage: StorageSettings) -> str:
    text = str(error).partition("\n\nDebug source")[0]
    for _, value in storage.options:  # the client's error repeats a value that it cannot read
        if isinstance(value, str) and len(value) > 1:
            text = text.replace(f'"{value}"', '"***"')
    if "is not valid for store" in text:
        return "the client of this storage knows no such key"
    return " ".join(text.split())[:_LONGEST]
