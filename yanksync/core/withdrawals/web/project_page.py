"""The page of one project.

What is withdrawn now, and all that happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.core.withdrawals.web.parts import kind_of, latest_first, pin, reason, scope, tag, time
from yanksync.core.withdrawals.web.shell import PROJECT_POLICY, render_shell
from yanksync.core.withdrawals.web.standing import ProjectStanding, Withdrawn
from yanksync.core.withdrawals.web.text import counted, day_text, moment

EVENTS = 1000
"""The timeline shows so many events, the newest."""

_VERSIONS = 200  # that are withdrawn now
_NAMES = 40  # of versions and files
_REASON = 2000  # characters; the log has the whole text
_FEEDS = """\
<link rel="alternate" type="application/atom+xml" title="This project (Atom)" href="feed.atom">
"""


class ProjectContent(Struct, frozen=True, kw_only=True):
    """What the page is made of."""

    project: NormalizedName
    title: str  # of the page of all withdrawals
    events: Sequence[WithdrawalEvent]  # the newest first
    count: int  # of all its events
    standing: ProjectStanding


def render_project(content: ProjectContent) -> bytes:
    """Return ``project/<name>/index.html``, with at most :data:`EVENTS` events."""
    events = latest_first(content.events[:EVENTS])
    name = content.project
    body = f"""\
<a class="skip" href="#timeline">Skip to the timeline</a>
<header>
<nav aria-label="Breadcrumb"><a href="../../index.html">All withdrawals</a></nav>
<h1>{name}</h1>
{_summary(content.standing)}</header>
<main>
{_now(content.standing)}<section id="timeline" aria-labelledby="timeline-heading" tabindex="-1">
<h2 id="timeline-heading">Timeline</h2>
<p class="note">{_extent(content.count, len(events))}</p>
<ol class="timeline" reversed>
{"".join(map(_entry, events))}</ol>
</section>
</main>
<footer>
<p>All times are in UTC. “Pin installs”: after the event, <code>name==version</code> still could be
installed from this mirror.</p>
<ul>
<li><a href="feed.atom">Atom feed of this project</a></li>
{_page_link(name, events)}</ul>
</footer>
"""
    return render_shell(
        title=f"{name} – {content.title}",
        about=f"What was yanked, removed or quarantined of {name}, when, and why.",
        policy=PROJECT_POLICY,
        up="../../",
        feeds=_FEEDS,
        scripts="",
        body=body,
    )


def _page_link(name: str, events: Sequence[WithdrawalEvent]) -> str:
    """Return the link to the mirror's page, if published."""
    if not events or max(events, key=lambda event: event.cursor).page_sha256 is None:
        return ""
    return f'<li><a href="../../../simple/{name}/index.html">Files on this mirror</a></li>\n'


def _extent(count: int, shown: int) -> str:
    if count > shown:
        return f"The newest {shown:,} of {count:,} events"
    return counted(count, "event")


def _summary(standing: ProjectStanding) -> str:
    whole = standing.project
    if whole is not None:
        since = time(whole.event.time, day_text(whole.event.time))
        return f"<p>The whole project is withdrawn: {tag(whole.event)} on {since}.</p>\n"
    if standing.versions:
        number = len(standing.versions)
        verb = "is" if number == 1 else "are"
        return f"<p>{counted(number, 'version')} {verb} withdrawn now.</p>\n"
    return "<p>Nothing is withdrawn now.</p>\n"


def _now(standing: ProjectStanding) -> str:
    """Return the table of what is withdrawn; empty when nothing is."""
    rows = ([standing.project] if standing.project else []) + list(standing.versions)
    if not rows:
        return ""
    more = len(rows) - _VERSIONS
    note = f'<p class="note">and {counted(more, "more version")}</p>\n' if more > 0 else ""
    return f"""\
<section aria-labelledby="now-heading">
<h2 id="now-heading">Withdrawn now</h2>
<table class="rows">
<caption class="hide">What is withdrawn now</caption>
<thead><tr><th scope="col">Version</th><th scope="col">Event</th><th scope="col">Since</th>
<th scope="col">Reason</th><th scope="col">Exact pin</th></tr></thead>
<tbody>
{"".join(_rows(rows[:_VERSIONS]))}</tbody>
</table>
{note}</section>
"""


def _rows(rows: Sequence[Withdrawn]) -> Iterator[str]:
    for one in rows:
        event = one.event
        versions = () if one.version is None else (one.version,)
        yield (
            f'<tr data-kind="{kind_of(event)}"><th scope="row">'
            f"{scope(versions, one.files, _NAMES)}</th><td>{tag(event)}</td>"
            f"<td>{time(event.time, day_text(event.time))}</td><td>{reason(event, _REASON)}</td>"
            f"<td>{pin(event)}</td></tr>\n"
        )


def _entry(event: WithdrawalEvent) -> str:
    when = f"{day_text(event.time)}, {moment(event.time):%H:%M}"
    serial = "" if event.serial is None else f" · serial {event.serial}"
    text = reason(event, _REASON)
    quote = f"<blockquote>{text}</blockquote>" if text else ""
    return (
        f'<li class="{kind_of(event)}"><p class="when">{time(event.time, when)}{serial}</p>'
        f"<p>{tag(event)} {scope(event.versions, event.files, _NAMES)}</p>{quote}"
        f"<p>{pin(event)}</p></li>\n"
    )
