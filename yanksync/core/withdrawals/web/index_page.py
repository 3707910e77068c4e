"""The page of all withdrawals.

A chart, the box for pins, and the newest events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from yanksync.core.formats.html.page_writer import escape
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.core.withdrawals.web.chart import DayTotals, chart
from yanksync.core.withdrawals.web.parts import kind_of, latest_first, pin, reason, scope, tag, time
from yanksync.core.withdrawals.web.shell import INDEX_POLICY, render_shell
from yanksync.core.withdrawals.web.text import counted, day_text, moment, visible, visible_html
from yanksync.core.withdrawals.web.words import EventKind

EVENTS = 1000
"""The page shows so many events, the newest."""

_NAMES = 4  # of versions and files
_REASON = 280  # characters; the page of the project has more
_FILTERS = (
    (EventKind.YANK, "Yanks"),
    (EventKind.REMOVE, "Removals"),
    (EventKind.QUARANTINE, "Quarantines"),
    (EventKind.END, "Taken back"),
)
_FEEDS = """\
<link rel="alternate" type="application/atom+xml" title="Withdrawals (Atom)" href="feed.atom">
<link rel="alternate" type="application/feed+json" title="Withdrawals (JSON)" href="feed.json">
"""
_SCRIPTS = """\
<script src="assets/filter.js" defer></script>
<script src="assets/pins.js" defer></script>
"""
_PINS = """\
<section id="pins" aria-labelledby="pins-heading" hidden>
<h2 id="pins-heading">Are your pins affected?</h2>
<p class="note" id="pins-text">Paste a requirements list, or drop or open a lock file: uv.lock,
poetry.lock, pdm.lock, pylock.toml or Pipfile.lock. The list stays in this browser, which asks this
mirror for one small file for each pinned project.</p>
<form id="pins-form">
<label for="pins-list" class="hide">Requirements or lock file</label>
<textarea id="pins-list" rows="4" spellcheck="false" autocomplete="off" aria-describedby="pins-text"
placeholder="requests==2.32.0&#10;idna==3.7"></textarea>
<div class="actions"><button>Check pins</button>
<label class="file">Open a file<input id="pins-file" class="hide" type="file" multiple></label>
</div>
</form>
<p id="pins-status" role="status"></p>
<table id="pins-found" class="rows" hidden>
<caption class="hide">Withdrawn pins</caption>
<thead><tr><th scope="col">Pin</th><th scope="col">Event</th><th scope="col">Since</th>
<th scope="col">Reason</th><th scope="col">Exact pin</th></tr></thead>
<tbody></tbody>
</table>
</section>
"""
_ABOUT = "What was yanked, removed or quarantined upstream of this mirror, when, and why."


class IndexContent(Struct, frozen=True, kw_only=True):
    """What the page is made of."""

    title: str  # the operator's
    last_day: int  # of the chart; days since 1970
    counts: Sequence[DayTotals]  # of the days of the chart; others do not count
    events: Sequence[WithdrawalEvent]  # the newest first
    total: int  # of all events
    watched: Sequence[str] = ()  # lists with a feed of their own


def render_index(content: IndexContent) -> bytes:
    """Return ``index.html``, with at most :data:`EVENTS` events."""
    events = latest_first(content.events[:EVENTS])
    title = visible_html(content.title)
    plot = chart(content.counts, content.last_day)
    body = f"""\
<a class="skip" href="#events">Skip to the events</a>
<header>
<h1>{title}</h1>
<p>{_ABOUT}</p>
</header>
<main>
{plot}{_PINS}<section id="events" aria-labelledby="events-heading" tabindex="-1">
<h2 id="events-heading">Newest events</h2>
{_filters()}<p id="matches" role="status" class="note">{_extent(content.total, len(events))}</p>
{_table(events)}</section>
</main>
<footer>
<p>All times are in UTC. “Pin installs”: after the event, <code>name==version</code> still could be
installed from this mirror.</p>
<ul>
<li><a href="feed.atom">Atom feed</a></li>
<li><a href="feed.json">JSON feed</a></li>
{"".join(map(_watch_feed, content.watched))}\
<li><a href="log/index.json">Log for programs</a></li>
<li><a href="osv/all.zip">OSV database</a></li>
</ul>
</footer>
"""
    return render_shell(
        title=content.title,
        about=_ABOUT,
        policy=INDEX_POLICY,
        up="",
        feeds=_FEEDS,
        scripts=_SCRIPTS,
        body=body,
    )


def _watch_feed(name: str) -> str:
    shown = visible_html(name)
    return f'<li><a href="watch/{escape(name)}.atom">Atom feed of {shown}</a></li>\n'


def _extent(total: int, shown: int) -> str:
    """Return how many events there are and are shown."""
    if total > shown:
        return f"The newest {shown:,} of {total:,} events"
    return counted(total, "event") if total else "No event yet."


def _filters() -> str:
    boxes = "".join(
        f'<label class="chip {kind}"><input type="checkbox" name="kind" value="{kind}" checked>'
        f"{label}</label>\n"
        for kind, label in _FILTERS
    )
    return f"""\
<form id="filters" role="search" hidden>
<label for="search" class="hide">Search projects, versions and reasons</label>
<input id="search" type="search" placeholder="Project, version or reason" autocomplete="off">
<fieldset><legend class="hide">Show</legend>
{boxes}</fieldset>
</form>
"""


def _table(events: Sequence[WithdrawalEvent]) -> str:
    if not events:
        return ""
    return f"""\
<table id="table" class="rows">
<caption class="hide">Newest events, by day</caption>
<thead><tr><th scope="col">Time</th><th scope="col">Event</th><th scope="col">Project</th>
<th scope="col">Versions</th><th scope="col">Reason</th><th scope="col">Exact pin</th></tr></thead>
{"".join(_bodies(events))}</table>
"""


def _bodies(events: Sequence[WithdrawalEvent]) -> Iterator[str]:
    """Yield the rows of each day."""
    for day, group in groupby(events, lambda event: moment(event.time).date()):
        rows = list(group)
        said = f"{day:%A}, {day_text(rows[0].time)}"
        yield f'<tbody>\n<tr class="day"><th colspan="6" scope="rowgroup">{said}</th></tr>\n'
        yield from map(_row, rows)
        yield "</tbody>\n"


def _row(event: WithdrawalEvent) -> str:
    name = escape(visible(event.project))
    return (
        f'<tr data-kind="{kind_of(event)}"><td>{time(event.time, f"{moment(event.time):%H:%M}")}'
        f'</td><td>{tag(event)}</td><th scope="row"><a href="project/{name}/index.html">{name}</a>'
        f"</th><td>{scope(event.versions, event.files, _NAMES)}</td><td>{reason(event, _REASON)}"
        f"</td><td>{pin(event)}</td></tr>\n"
    )
