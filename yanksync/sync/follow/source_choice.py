"""Which source is followed: the journal, the list of projects, or page by page (rule R15).

``journal = "auto"`` decides once and remembers. It leaves XML-RPC only when that is refused for
good, never for an outage or a limit, and comes back to it when the journal returns.
"""

from __future__ import annotations

from yanksync.config.settings import JournalSource
from yanksync.core.errors import (
    BadAnswer,
    ConfigError,
    JournalRefused,
    Refused,
    TooLarge,
    Unreachable,
)
from yanksync.core.formats.parse import is_json, parse_list
from yanksync.mirror.context import Mirror, log
from yanksync.upstream.client import RawList

_LASTING = 3600.0  # seconds that XML-RPC must have been refused for, in passes enough
_PASSES = 3
_HINT = 'if this upstream has no journal, set upstream.journal to "listing" or "none"'
CHECK = "check upstream.simple_url: it must be the address of a Simple API, ending in /simple/"
_PROBE = 3600.0  # seconds between questions whether a journal that was left has returned


def source_of(mirror: Mirror) -> JournalSource:
    """Return where changes are learnt from."""
    meta = mirror.state.meta
    configured = mirror.settings.upstream.journal
    if configured is not JournalSource.AUTO:
        if meta.text("journal") != configured:
            with mirror.state.transaction():
                mirror.state.history.settle(None, mirror.now())
                meta.put(journal=configured.value, refused=None, refused_since=None)
        return configured
    known = meta.text("journal")
    if known is None:
        known = _probe(mirror)
        meta.put(journal=known)
    elif known != JournalSource.XMLRPC and meta.cursor is not None:
        known = _probe_again(mirror, known)
    return JournalSource(known)


def address_advice(mirror: Mirror, otherwise: str = CHECK) -> str:
    """Return what to do about an upstream that is perhaps no index.

    Before anything is published, the index that was probably meant is looked for.
    """
    if mirror.state.meta.moment("list_written") is not None:
        return otherwise
    from yanksync.upstream.likely_address import advice  # start-up: only a failure needs it

    return advice(mirror.upstream) or otherwise


def _probe(mirror: Mirror) -> str:
    try:
        mirror.upstream.last_serial()
        return JournalSource.XMLRPC.value
    except JournalRefused as refusal:
        log.info("%s", refusal)
    except Refused as error:  # a person may know better than to ask again
        problem = f"{error.problem}; {address_advice(mirror, _HINT)}"
        raise Refused(error.url, error.status, problem) from error
    except TooLarge:
        raise
    except BadAnswer as error:
        problem = f"{error.problem}; {address_advice(mirror, _HINT)}"
        raise BadAnswer(error.where, problem) from error
    except Unreachable as error:
        if not mirror.upstream.simple_url.startswith("http://"):
            raise
        advice = address_advice(mirror, "")
        raise Unreachable(error.where, "; ".join(filter(None, (error.problem, advice)))) from error
    return _without_journal(mirror)


def _without_journal(mirror: Mirror) -> str:
    """Return what to follow instead: the list if it has serials, else the named pages.

    Raises :class:`ConfigError` and :class:`UpstreamError`.
    """
    if mirror.settings.mirror.selection.explicit is not None:
        return JournalSource.NONE.value  # the list of all projects is never fetched for a few
    try:
        raw = mirror.upstream.list(None)
        listing = raw is not None and _has_serials(mirror, raw)
    except BadAnswer as error:
        raise BadAnswer(error.where, f"{error.problem}; {address_advice(mirror)}") from error
    if listing:
        return JournalSource.LISTING.value
    raise ConfigError(
        "mirror.projects",
        str(mirror.settings.source or "the configuration"),
        "this upstream has neither a journal nor serials in its list of projects, so projects "
        "have to be named one by one, without wildcards. If that is not the index you mean, "
        f"{address_advice(mirror)}",
    )


def _has_serials(mirror: Mirror, raw: RawList) -> bool:
    projects = parse_list(raw.body, raw.media, mirror.upstream.rules, raw.header_serial)
    return is_json(raw.media) and projects.numbered and not projects.empty


def _probe_again(mirror: Mirror, known: str) -> str:
    """See now and then whether the journal that was left has returned; its cursor stayed."""
    meta = mirror.state.meta
    now = mirror.now()
    asked = meta.moment("journal_probe") or 0.0
    if 0 <= now - asked < _PROBE:
        return known
    meta.put(journal_probe=now)
    try:
        mirror.upstream.last_serial()
    except JournalRefused:
        return known
    log.warning("the journal has returned; following it from serial %s", meta.cursor)
    meta.put(journal=JournalSource.XMLRPC.value)
    return JournalSource.XMLRPC.value


def note_refusal(mirror: Mirror) -> None:
    """Leave XML-RPC only when it was refused for good: three passes, over an hour."""
    meta = mirror.state.meta
    if mirror.settings.upstream.journal is not JournalSource.AUTO:
        return
    now = mirror.now()
    since = meta.moment("refused_since") or now
    passes = (meta.number("refused") or 0) + 1
    meta.put(refused_since=since, refused=passes)
    if passes >= _PASSES and now - since >= _LASTING:
        instead = _without_journal(mirror)
        log.warning("the journal is refused for good; following %r instead", instead)
        with mirror.state.transaction():
            mirror.state.history.settle(None, now)
            meta.put(journal=instead, journal_probe=now, refused=None, refused_since=None)
