"""Rules for the parts of one file on a page.

They are name, URL, hashes and times. All are hostile until they are checked. Each function takes
upstream's text and returns the value for :class:`yanksync.core.model.File`. They are called for
every file of the index. So each has a fast path, which one regular expression decides.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from yanksync.core.formats.reader_rules import InvalidFile
from yanksync.core.model import Hashes, sorted_hashes
from yanksync.core.urls import is_loopback

_PLAIN_NAME = re.compile(r"[A-HJ-Za-hj-z0-9_][\w.+!~-]{0,240}\.(?:whl|tar\.gz|zip|egg)\Z", re.ASCII)
_BAD_IN_NAME = re.compile(r"[\x00-\x1f\x7f/\\:\ud800-\udfff]")
# These are the extensions that PyPI has ever accepted. Others are here because pip and uv unpack
# them. The last is from PEP 825, a draft.
_DISTRIBUTION = re.compile(
    r"(?:\.(?:whl|egg|zip|exe|msi|rpm|deb|dmg|tar|t(?:ar\.)?(?:gz|bz2?|xz|lz|lzma|zst|z))"
    r"|-variants\.json)\Z",
    re.IGNORECASE,
)
_OUR_ENDINGS = (".metadata", ".asc", ".tmp")

_PLAIN_URL = re.compile(r"(https?://[^/?#]+)/[\w/.~!$'()*+,;=:@&-]*\Z", re.ASCII)
_BAD_IN_URL = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_ORIGIN = re.compile(
    r"(https?)://([a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?\Z",
    re.IGNORECASE | re.ASCII,
)
_NO_HOST = re.compile(r"https?:(?!//[^/])", re.IGNORECASE)  # "https:///x": clients differ
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_HEX = re.compile(r"(?:[0-9a-f]{2})+\Z")
_ALGORITHM = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_DIGEST_LENGTHS = {
    "md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128,
    "sha3_224": 56, "sha3_256": 64, "sha3_384": 96, "sha3_512": 128,
}  # fmt: skip
_PLAIN_TIME = re.compile(  # every month has such a day
    r"[1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}(?:\.[0-9]{1,6})?Z\Z"
)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z\Z", re.ASCII
)


def check_filename(filename: str) -> None:
    """Check that a name is safe as part of a path.

    Raises:
        InvalidFile: it is not, or it is a name that the mirror itself uses.
    """
    if _PLAIN_NAME.match(filename):
        return
    if filename == "" or filename[0] in ".-" or filename != filename.strip():
        raise InvalidFile("its name is not safe as a file name")
    if _BAD_IN_NAME.search(filename):
        raise InvalidFile("its name is not safe as a file name")
    if len(filename.encode()) > 255:
        raise InvalidFile("its name is longer than 255 bytes")
    lower = filename.lower()
    if lower.startswith("index.") or lower.endswith(_OUR_ENDINGS):
        raise InvalidFile("its name is one that the mirror uses itself")


def file_url(raw: str, base: str, filename: str, allow_http: bool) -> str:
    """Return the file's absolute URL without fragment.

    The text stays upstream's own; only what is no URL character is percent-encoded.

    Args:
        raw: the URL as given, absolute or relative.
        base: what a relative one is resolved against, without credentials.
        filename: the file's name, already checked; the URL's path must end in it.
        allow_http: whether plain http is allowed beyond loopback.

    Raises:
        InvalidFile: no URL, another scheme than http(s), user information, or another file's name.
    """
    if _is_plain(raw, filename, allow_http):
        return raw
    url, name = resolve(raw, base, allow_http)
    if name != filename:
        # pip and PDM take the name from the URL, uv and Poetry from the key ``filename``. If the
        # two differ, one of them would install another file than the page says.
        raise InvalidFile("its URL ends in another name")
    return url


def _is_plain(url: str, filename: str, allow_http: bool) -> bool:
    """Return whether ``url`` is absolute, names the file, and needs no encoding.

    Raises:
        InvalidFile: it is, and its scheme or host are not allowed.
    """
    match = _PLAIN_URL.match(url)
    if match is None or not url.endswith(filename) or url[-1 - len(filename)] != "/":
        return False
    problem = origin_problem(match[1], allow_http)
    if problem is not None:
        raise InvalidFile(problem)
    return True


def linked_file(link: str, text: str, base: str, allow_http: bool) -> tuple[str, str] | None:
    """Return name and URL of the file behind an HTML link.

    The name is the last part of the URL's path, as for installers: a listing of a directory cuts
    the ``text`` of long names short.

    Returns:
        None where the link leads to no distribution, as those of a menu.

    Raises:
        InvalidFile: it leads to a file that cannot be published, or its text names one.
    """
    if _PLAIN_NAME.match(text) and _is_plain(link, text, allow_http):
        return text, link
    name = linked_name(link)
    if is_distribution(name):
        check_filename(name)
        return name, file_url(link, base, name, allow_http)
    if is_distribution(text) or is_distribution(linked_name(link.rstrip("/"))):
        raise InvalidFile("its URL does not end in the name of a distribution")
    return None


def is_distribution(name: str) -> bool:
    """Return whether a file's name has the extension of a distribution."""
    return _DISTRIBUTION.search(name) is not None


def linked_name(link: str) -> str:
    """Return the decoded last part of the path of a link."""
    front, _, name = link.partition("?")[0].rpartition("/")
    if front == "/" or front.endswith(":/"):
        return ""  # "https://files.example" ends in a host
    return unquote(name)


def resolve(raw: str, base: str, allow_http: bool) -> tuple[str, str]:
    """Return ``raw`` as an absolute URL, and its decoded file name.

    Raises:
        InvalidFile: no URL, another scheme than http(s), or user information.
    """
    if _BAD_IN_URL.search(raw) or raw != raw.strip() or _NO_HOST.match(raw):
        raise InvalidFile("its URL is malformed")
    try:
        parts = urlsplit(urljoin(base, raw))
    except ValueError:
        raise InvalidFile("its URL cannot be read") from None
    problem = origin_problem(f"{parts.scheme}://{parts.netloc}", allow_http)
    if problem is not None:
        raise InvalidFile(problem)
    url = urlunsplit((parts.scheme, parts.netloc, _encoded(parts.path), _encoded(parts.query), ""))
    return url, unquote(parts.path.rpartition("/")[2])


def _encoded(part: str) -> str:
    """Percent-encode what a path or query may not contain.

    Keep what is encoded.
    """
    return quote(_STRAY_PERCENT.sub("%25", part), safe="/%:@!$&'()*+,;=~?")


@lru_cache(maxsize=1024)
def origin_problem(origin: str, allow_http: bool) -> str | None:
    """Say what is wrong with ``scheme://host[:port]``, or None (R10)."""
    if "@" in origin:
        return "its URL has user information"
    match = _ORIGIN.match(origin)
    if match is None or int(match[3] or 0) > 65535:
        return "its URL is not http or https with a host"
    if match[1].lower() == "http" and not allow_http and not is_loopback(match[2].strip("[]")):
        return "its URL is plain http"
    return None


def without_credentials(url: str) -> str:
    """Remove user name and password from ``url``."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def check_hashes(raw: dict[str, str]) -> Hashes:
    """Return digests in lower case, sorted by algorithm.

    Raises:
        InvalidFile: a digest is not hexadecimal, has a wrong length, or contradicts another.
    """
    if len(raw) == 1 and (sha256 := raw.get("sha256")) and _SHA256.match(sha256):
        return (("sha256", sha256),)
    hashes = sorted_hashes(raw.items())
    for algorithm, digest in hashes:
        if not _ALGORITHM.match(algorithm) or not is_digest(algorithm, digest):
            raise InvalidFile("one of its hashes is no digest")
    if len({algorithm for algorithm, _ in hashes}) != len(hashes):
        raise InvalidFile("it has two hashes of one algorithm")
    return hashes


def is_digest(algorithm: str, digest: str) -> bool:
    """Return whether ``digest`` is lower-case hexadecimal of the length that ``algorithm`` has."""
    right = _DIGEST_LENGTHS.get(algorithm, len(digest))
    return len(digest) == right and _HEX.match(digest) is not None


def fragment_hash(fragment: str) -> Hashes:
    """Return the hash in a link's fragment; other fragments say nothing.

    Raises:
        InvalidFile: a known algorithm with something that is no digest of it.
    """
    for part in fragment.split("&"):
        algorithm, equals, digest = part.partition("=")
        if equals and algorithm.lower() in _DIGEST_LENGTHS:
            return check_hashes({algorithm: digest})
    return ()


def upload_time(raw: object) -> str | None:
    """Return an upload time (PEP 700) unchanged, or None.

    None: the time is not valid; uv would reject the whole page because of it.
    """
    if not isinstance(raw, str):
        return None
    if _PLAIN_TIME.match(raw):
        return raw
    if _TIME.match(raw) is None:
        return None
    try:
        datetime.fromisoformat(raw[:19])
    except ValueError:  # the thirtieth of February
        return None
    return raw


def provenance_url(raw: str) -> str | None:
    """Return an absolute https URL unchanged; None: it is none."""
    if not raw.startswith("https://"):
        return None
    try:
        url, _ = resolve(raw, "", allow_http=False)
    except InvalidFile:
        return None
    return url if url == raw else None
