"""Checks upstream: list, page, journal, clock, TLS and proxy."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from urllib.parse import urlsplit

from msgspec import Struct

from yanksync.config.settings import JournalSource, Settings
from yanksync.core.errors import (
    InvalidAnswer,
    JournalUnavailable,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from yanksync.core.formats.document_kind import DocumentKind
from yanksync.core.formats.parse import is_json, parse_list, parse_page
from yanksync.core.names import NormalizedName
from yanksync.core.urls import is_loopback, redacted
from yanksync.doctor.checks import Check, failed, passed, warned
from yanksync.upstream.client import UpstreamClient
from yanksync.upstream.first_look import FirstLook, proxy_of
from yanksync.upstream.http.http_answers import upstream_time
from yanksync.upstream.likely_address import advice

_ADDRESS = "upstream.simple_url must be the address of a Simple API, ending in /simple/"
_NO_JOURNAL = 'if this upstream has no journal, set upstream.journal to "listing" or "none"'
_NAME_THEM = "name the projects one by one in mirror.projects, without wildcards"
_REACH = "check the address and the network; yanksync sends what curl would send"
_SKEW = 60.0  # seconds that two clocks may differ
_SOON = 14 * 86400.0  # seconds before the end of a certificate
_PASSWORD = "if upstream wants a password, put it into ~/.netrc, or into upstream.simple_url"
_TRIED = 5  # named projects that are asked for


class Listed(Struct, frozen=True):
    """Facts from the list of projects."""

    mirrored: int  # projects that the configuration selects
    first: tuple[NormalizedName, ...]  # the first one, if there is any
    numbered: bool  # it has serials that can be followed


def upstream_checks(settings: Settings) -> Generator[Check, None, int | None]:
    """Yield the checks of upstream; return the number of projects.

    Returns None if that is unknown.
    """
    client = UpstreamClient(settings)
    with closing(client):
        yield _proxy(client.simple_url)
        try:
            look = client.first_look(client.simple_url)
        except UpstreamError as error:
            better = advice(client) if client.simple_url.startswith("http:") else None
            yield failed("upstream", str(error), better or _REACH)
            return None
        looked = time.time()  # the list may take longer than two clocks may differ
        explicit = settings.mirror.selection.explicit_names
        listed = None
        if explicit is None:
            listed = yield from _list(client, settings)
        yield from _page(client, look, explicit, () if listed is None else listed.first)
        yield _journal(client, settings, listed)
        yield from _clock(look, looked)
        yield _tls(client.simple_url, look)
        if explicit is not None:
            return len(explicit)
        return None if listed is None else listed.mirrored


def _list(client: UpstreamClient, settings: Settings) -> Generator[Check, None, Listed | None]:
    """Check the list of projects."""
    url = redacted(client.simple_url)
    try:
        raw = client.list(None)
        if raw is None:
            raise InvalidAnswer(url, "304, though nothing was asked for by ETag")
        projects = parse_list(raw.body, raw.content_type, client.rules, raw.header_serial)
    except UpstreamError as error:
        yield failed("upstream", str(error), _advice(client, error))
        return None
    json, total, count = is_json(raw.content_type), 0, 0
    first: tuple[NormalizedName, ...] = ()
    for project in projects.projects:
        total += 1
        if settings.is_mirrored(project.name):
            count += 1
            first = first or (NormalizedName(project.name),)
    numbered = json and projects.has_serials and total > 0
    serials = "with serials" if projects.has_serials else "without serials"
    text = f"{url}: {total:,} projects, {count:,} to mirror; {'JSON' if json else 'HTML'} {serials}"
    if count:
        yield passed("upstream", text)
    elif total:
        yield warned("upstream", text, "mirror.projects and mirror.exclude leave nothing")
    else:
        yield warned("upstream", f"{url}: an index without projects", _ADDRESS)
    return Listed(count, first, numbered)


def _advice(client: UpstreamClient, error: UpstreamError) -> str:
    """Return what to do about an error."""
    if isinstance(error, RateLimited):
        return "try again when that time is over"
    if isinstance(error, UpstreamUnreachable):
        return _REACH
    if isinstance(error, UpstreamRefused) and error.status in (401, 403, 407):
        return _PASSWORD
    return advice(client) or _ADDRESS


def _page(
    client: UpstreamClient,
    look: FirstLook,
    explicit: tuple[NormalizedName, ...] | None,
    listed: tuple[NormalizedName, ...],
) -> Iterator[Check]:
    """Check one page.

    If projects are named, it is the first one that exists.
    """
    missing = []
    for name in islice(listed if explicit is None else explicit, _TRIED):
        try:
            raw = client.page(name, None)
            if isinstance(raw, int):
                missing.append(name)
                continue
            page = parse_page(
                raw.body, raw.content_type, raw.url, name, client.rules, raw.header_serial
            )
        except UpstreamError as error:
            yield failed("page", str(error), _advice(client, error))
            return
        form, count = "JSON" if page.is_json else "HTML", len(page.page.files)
        yield passed("page", f"{name}: {count:,} file{'' if count == 1 else 's'}, {form}")
        break
    if not missing:
        return
    text = f"upstream does not have {', '.join(missing)}"
    better = advice(client)
    if better is not None or (look.status == 404 and look.kind is not DocumentKind.LIST):
        yield failed("page", f"{redacted(client.simple_url)}: {text}", better or _ADDRESS)
    else:
        yield warned("page", text, "check the names in mirror.projects")


def _journal(client: UpstreamClient, settings: Settings, listed: Listed | None) -> Check:
    """Check the sources of changes."""
    source = settings.upstream.journal
    if source in (JournalSource.AUTO, JournalSource.XMLRPC):
        try:
            return passed("journal", f"xmlrpc, at serial {client.last_serial()}")
        except JournalUnavailable as error:
            if source is JournalSource.XMLRPC:
                return failed("journal", str(error), 'set upstream.journal to "auto"')
        except UpstreamError as error:
            later = isinstance(error, UpstreamUnreachable | RateLimited)
            return failed("journal", str(error), _advice(client, error) if later else _NO_JOURNAL)
    if source is not JournalSource.NONE and listed is not None and listed.numbered:
        return passed("journal", "listing: the serials in the list of projects are followed")
    if source is JournalSource.LISTING:
        return failed("journal", "the list of projects has no serials", _NAME_THEM)
    if settings.mirror.selection.explicit_names is not None:
        return passed("journal", "none: the page of each named project is asked for in each pass")
    return failed("journal", "neither a journal nor serials in the list of projects", _NAME_THEM)


def _clock(look: FirstLook, looked: float) -> Iterator[Check]:
    """Compare the clocks, if upstream sends its time.

    ``looked`` is the time of that answer.
    """
    theirs = upstream_time(look.headers.get("date"), look.headers.get("age"))
    if theirs is None:
        return
    ahead = looked - theirs
    if abs(ahead) <= _SKEW:
        yield passed("clock", "as upstream's, within a minute")
        return
    where = "ahead of" if ahead > 0 else "behind"
    text = f"this machine's clock is {abs(ahead):.0f} s {where} upstream's"
    yield warned("clock", text, "set it, for example with 'timedatectl set-ntp true'")


def _tls(url: str, look: FirstLook) -> Check:
    """Check how the connection is protected.

    At this point the certificate is known to be trusted.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        if look.expires is None:
            return passed("tls", "the certificate is trusted")
        until = time.strftime("%Y-%m-%d", time.gmtime(look.expires))
        text = f"the certificate is trusted, and valid until {until}"
        if look.expires - time.time() < _SOON:
            return warned("tls", text, "upstream has to renew it")
        return passed("tls", text)
    if is_loopback(parts.hostname or ""):
        return passed("tls", "not needed: upstream is on this machine")
    return warned("tls", "plain http: others can change pages on the way", "use https if there is")


def _proxy(url: str) -> Check:
    proxy = proxy_of(url)
    if proxy is None:
        return passed("proxy", "none")
    return passed("proxy", f"{proxy}; cron and systemd need its variables, too")
