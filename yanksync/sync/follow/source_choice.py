"""Chooses the source of changes.

It is the journal, the list of projects, or each page (rule R15). ``journal = "auto"`` decides once
and remembers. It leaves XML-RPC only if upstream refuses it for good, never because of an outage or
a limit. It comes back when the journal returns.
"""

from __future__ import annotations

from yanksync.config.settings import JournalSource
from yanksync.core.errors import (
    AnswerTooLarge,
    ConfigError,
    InvalidAnswer,
    JournalUnavailable,
    UpstreamRefused,
    UpstreamUnreachable,
)
from yanksync.core.formats.parse import is_json, parse_list
from yanksync.core.formats.reader_rules import PageRules
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import SourceChoice
from yanksync.upstream.client import RawList

_LASTING = 3600.0  # seconds for which XML-RPC must be refused, in enough passes
_PASSES = 3
_HINT = 'if this upstream has no journal, set upstream.journal to "listing" or "none"'
CHECK = "check upstream.simple_url: it must be the address of a Simple API, ending in /simple/"
_PROBE = 3600.0  # seconds between questions whether a journal that was left has returned


def current_source(mirror: Mirror) -> JournalSource:
    """Return the source of changes."""
    facts = mirror.state.facts
    configured = mirror.settings.upstream.journal
    if configured is not JournalSource.AUTO:
        if facts.source_choice.journal != configured:
            with mirror.state.transaction():
                mirror.state.history.attribute(None, mirror.now())
                facts.source_choice = SourceChoice(
                    configured.value, probed=facts.source_choice.probed
                )
        return configured
    known = facts.source_choice.journal
    if known is None:
        known = _probe(mirror)
        facts.change(SourceChoice, journal=known)
    elif known != JournalSource.XMLRPC and facts.cursor is not None:
        known = _probe_again(mirror, known)
    return JournalSource(known)


def address_advice(mirror: Mirror, otherwise: str = CHECK) -> str:
    """Return what to do about an upstream that is perhaps no index.

    Before anything is published, this looks for the index that was probably meant.
    """
    if mirror.state.facts.published_list.written is not None:
        return otherwise
    from yanksync.upstream.likely_address import advice  # start-up: only a failure needs it

    return advice(mirror.upstream) or otherwise


def _probe(mirror: Mirror) -> str:
    try:
        mirror.upstream.last_serial()
        return JournalSource.XMLRPC.value
    except JournalUnavailable as refusal:
        log.info("%s", refusal)
    except UpstreamRefused as error:  # asking again would not help; a person must act
        problem = f"{error.problem}; {address_advice(mirror, _HINT)}"
        raise UpstreamRefused(error.url, error.status, problem) from error
    except AnswerTooLarge:
        raise
    except InvalidAnswer as error:
        problem = f"{error.problem}; {address_advice(mirror, _HINT)}"
        raise InvalidAnswer(error.where, problem) from error
    except UpstreamUnreachable as error:
        if not mirror.upstream.simple_url.startswith("http://"):
            raise
        advice = address_advice(mirror, "")
        raise UpstreamUnreachable(
            error.where, "; ".join(filter(None, (error.problem, advice)))
        ) from error
    return _without_journal(mirror)


def _without_journal(mirror: Mirror) -> str:
    """Return what to follow instead.

    It is the list if it has serials, or else the named pages. Raises :class:`ConfigError` and
    :class:`UpstreamError`.
    """
    if mirror.settings.mirror.selection.explicit_names is not None:
        return JournalSource.NONE.value  # for a few projects, the list of all is never fetched
    try:
        raw = mirror.upstream.list(None)
        listing = raw is not None and _has_serials(mirror.upstream.rules, raw)
    except InvalidAnswer as error:
        raise InvalidAnswer(error.where, f"{error.problem}; {address_advice(mirror)}") from error
    if listing:
        return JournalSource.LISTING.value
    raise ConfigError(
        "mirror.projects",
        str(mirror.settings.source or "the configuration"),
        "this upstream has neither a journal nor serials in its list of projects, so projects "
        "have to be named one by one, without wildcards. If that is not the index you mean, "
        f"{address_advice(mirror)}",
    )


def _has_serials(rules: PageRules, raw: RawList) -> bool:
    projects = parse_list(raw.body, raw.content_type, rules, raw.header_serial)
    return is_json(raw.content_type) and projects.has_serials and not projects.empty


def _probe_again(mirror: Mirror, known: str) -> str:
    """Check sometimes whether the journal has returned.

    Its cursor was kept.
    """
    facts = mirror.state.facts
    now = mirror.now()
    asked = facts.source_choice.probed or 0.0
    if 0 <= now - asked < _PROBE:
        return known
    facts.change(SourceChoice, probed=now)
    try:
        mirror.upstream.last_serial()
    except JournalUnavailable:
        return known
    log.warning("the journal has returned; following it from serial %s", facts.cursor)
    facts.change(SourceChoice, journal=JournalSource.XMLRPC.value)
    return JournalSource.XMLRPC.value


def note_journal_refused(mirror: Mirror) -> None:
    """Count a refusal; leave XML-RPC after three over an hour."""
    facts = mirror.state.facts
    if mirror.settings.upstream.journal is not JournalSource.AUTO:
        return
    now = mirror.now()
    since = facts.source_choice.refused_since or now
    passes = (facts.source_choice.refused or 0) + 1
    facts.change(SourceChoice, refused_since=since, refused=passes)
    if passes >= _PASSES and now - since >= _LASTING:
        instead = _without_journal(mirror)
        log.warning("the journal is refused for good; following %r instead", instead)
        with mirror.state.transaction():
            mirror.state.history.attribute(None, now)
            facts.source_choice = SourceChoice(instead, probed=now)
