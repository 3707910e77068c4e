"""Prints the report of ``why``, as lines and as JSON."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from textwrap import wrap

import msgspec

from yanksync.cli.display.history_rows import history_object
from yanksync.cli.display.report_rows import rfc3339, rfc3339_end
from yanksync.cli.error_handling import printable
from yanksync.config.durations import format_duration
from yanksync.core import layout
from yanksync.core.model import ProjectStatus
from yanksync.reports.why.judgement import Judgement
from yanksync.reports.why.report import FileRuling, PinOutcome, ReleaseOffer, WhyReport
from yanksync.state.views.timeline import EventTimes, TimedEvent

_WIDTH = 80  # a narrower terminal has less
_LONGEST = 240  # characters of a reason; 'yanksync history' has them all
_EVENTS, _RULES, _RELEASES = 6, 6, 6  # lines of each that are printed; --json has all
_SHORT = 40  # characters of the needed Python versions
_WORDS = {"hide": "hidden", "yank": "marked yanked"}
_FORMS = {layout.V1_JSON: "JSON", layout.HTML: "HTML", layout.LEGACY: "legacy JSON"}
_PINS = {
    PinOutcome.INSTALLS: "installs it",
    PinOutcome.WARNS: "installs it and prints the reason of the yank",
    PinOutcome.FAILS: "does not find it",
}


def why_lines(report: WhyReport, judgement: Judgement) -> Iterator[str]:
    """Yield the lines for a person."""
    width = min(_WIDTH, shutil.get_terminal_size().columns)
    yield from wrap(
        printable(judgement.text), width, break_on_hyphens=False, break_long_words=False
    )
    for title, lines in (
        ("Upstream said", _events(report)),
        ("This mirror", _mirror(report)),
        ("Rules", _rules(report.rulings)),
        ("Offered now", _offered(report)),
        ("An exact pin (==)", _pins(report)),
    ):
        found = list(lines)
        if found:
            yield ""
            yield title
            for line in found:
                yield from _wrapped(line, width)


def _wrapped(line: str, width: int) -> Iterator[str]:
    yield from wrap(
        printable(line),
        width,
        initial_indent="  ",
        subsequent_indent="      ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _events(report: WhyReport) -> Iterator[str]:
    if report.status not in (None, ProjectStatus.ACTIVE):
        reason = f": {report.status_reason}" if report.status_reason else ""
        yield f"project status {report.status}{reason}"
    if len(report.events) > _EVENTS:
        earlier = len(report.events) - _EVENTS
        yield f"{earlier} earlier; 'yanksync history {report.project}' lists them"
    for one in report.events[-_EVENTS:]:
        row = one.row
        serial = "observed" if row.serial is None else f"serial {row.serial}"
        yield f"{rfc3339(row.timestamp)}  {serial}  {_event(one)}"
        if (done := _done(one.times, row.timestamp)) != "":
            yield f"  here: {done}"


def _event(one: TimedEvent) -> str:
    row = one.row
    files = [row.file] if row.file is not None else list(row.files)
    text = f"{row.action} {row.version or 'the project'}"
    text += f" ({', '.join(files)})" if files else ""
    if row.reason is None:
        return f"{text}, reason unknown"
    cut = row.reason if len(row.reason) <= _LONGEST else f"{row.reason[:_LONGEST]}…"
    return f"{text}: {cut}" if cut else text


def _done(times: EventTimes, said: float) -> str:
    """Return what the mirror did about an event, as delays after it."""
    steps = [
        f"{word} {format_duration(max(moment - said, 0.0))} later"
        for word, moment in (
            ("asked for", times.asked),
            ("stale answer", times.stale_since),
            ("recorded", times.recorded),
            ("published", times.published),
        )
        if moment is not None
    ]
    if times.attempts:
        steps.insert(1, f"{_count(times.attempts, 'pass', 'passes')} in vain")
    return ", ".join(steps)


def _mirror(report: WhyReport) -> Iterator[str]:
    times, fetch, publish = report.times, report.times.fetch, report.times.publish
    for word, moment, serial in (
        ("recorded ", times.recorded, report.page_serial),
        ("confirmed", None if times.checked == times.recorded else times.checked, None),
        ("published", times.published, report.published_serial),
    ):
        if moment is not None:
            yield f"{word}  {rfc3339(moment)}" + ("" if serial is None else f"  serial {serial}")
    if fetch is not None:
        wanted = "" if fetch.required_serial is None else f", serial {fetch.required_serial} wanted"
        yield f"pending    {rfc3339(fetch.since)}{wanted}: {fetch.problem or 'not asked for yet'}"
        if fetch.attempts:
            kind = (
                "" if fetch.stale_since is None else f", stale since {rfc3339(fetch.stale_since)}"
            )
            passes = _count(fetch.attempts, "pass", "passes")
            yield f"tried      in {passes}{kind}; next try {rfc3339(fetch.next_try)}"
        if fetch.held is not None:
            yield _held(fetch.held, fetch.held_since, report.project)
    if publish is not None:
        if publish.held is not None:
            yield _held(publish.held, publish.held_since, report.project)
        else:
            yield f"waits to be published since {rfc3339(publish.since)}: " + (
                publish.problem or "the next pass does it"
            )
    for lost in report.kept[:_RULES]:
        what = "upstream lacks it" if lost.hashes is None else "upstream has another hash for it"
        stays = "stays as it was published" if lost.shown else "is left out"
        yield f"{lost.file.filename} {stays}: {what} since {rfc3339(lost.since)}"
        if lost.held is not None:
            yield _held(lost.held, lost.held_since, report.project)


def _held(why: str, since: float | None, project: str) -> str:
    return f"held       {rfc3339(since) or ''}  {why}; see 'yanksync approve {project}'"


def _rules(rulings: Sequence[FileRuling]) -> Iterator[str]:
    for one in rulings[:_RULES]:
        rule = f"{one.rule} ({one.reason})" if one.reason else one.rule
        until = rfc3339_end(one.until) or "the rules change"
        yield f"{one.file}  {_WORDS[one.action]} by {rule} until {until}"
    if len(rulings) > _RULES:
        yield f"and {len(rulings) - _RULES} more; --json has them all"


def _offered(report: WhyReport) -> Iterator[str]:
    forms = [text for form, text in _FORMS.items() if form.filename in report.forms]
    if not forms:
        yield "nothing"
        return
    found = report.releases
    files = sum(one.files - one.hidden - one.omitted for one in found)
    counts = [f"{_count(files, 'file')} of {_count(len(found), 'release')}"]
    for word, count in (
        ("yanked", sum(one.yanked for one in found)),
        ("hidden", sum(one.hidden for one in found)),
        ("left out because of a yank", sum(one.omitted for one in found)),
    ):
        if count:
            counts.append(f"{count} {word}")
    if report.times.publish is not None and report.times.publish.held is None:
        yield "the page before this one, until a pass can publish this one:"
    yield f"{', '.join(forms)}: {', '.join(counts)}"


def _pins(report: WhyReport) -> Iterator[str]:
    shown = report.releases
    if report.version is None:  # other releases need no line
        shown = tuple(one for one in shown if one.pip is not PinOutcome.INSTALLS or one.hidden)
    for one in shown[-_RELEASES:]:
        yield f"{one.version or 'files without a version'}: {_pin(one)}"
    if len(shown) > _RELEASES:
        yield f"and {len(shown) - _RELEASES} earlier releases; --json has them all"


def _pin(one: ReleaseOffer) -> str:
    kinds = f"{_count(one.wheels, 'wheel')}, {_count(one.sdists, 'sdist')}"
    pythons = " or ".join(one.requires_python)
    if pythons:
        kinds += f", Python {pythons if len(pythons) <= _SHORT else 'limited; see --json'}"
    if one.pip is one.uv:
        verb = _PINS[one.pip].replace("installs", "install").replace("prints", "print")
        return f"pip and uv {verb.replace('does', 'do')} ({kinds})"
    return f"pip {_PINS[one.pip]}, uv {_PINS[one.uv]} ({kinds})"


def _count(count: int, word: str, words: str | None = None) -> str:
    return f"{count} {word if count == 1 else words or word + 's'}"


def why_object(report: WhyReport, judgement: Judgement) -> dict[str, object]:
    """Return the report with its documented keys."""
    times, releases = report.times, report.releases
    return {
        "project": report.project,
        "version": report.version,
        "answer": judgement.answer.value,
        "text": judgement.text,
        "status": report.status,
        "status_reason": report.status_reason,
        "events": [_event_object(one) for one in report.events],
        "mirror": {
            "serial": report.page_serial,
            "recorded": rfc3339(times.recorded),
            "checked": rfc3339(times.checked),
            "published_serial": report.published_serial,
            "published": rfc3339(times.published),
            "fetch": _with_times(times.fetch, "since", "stale_since", "next_try", "held_since"),
            "publish": _with_times(times.publish, "since", "held_since"),
            "kept": [
                {
                    "file": one.file.filename,
                    "shown": one.shown,
                    "since": rfc3339(one.since),
                    "held": one.held,
                    "held_since": rfc3339(one.held_since),
                }
                for one in report.kept
            ],
        },
        "rules": [
            {**msgspec.to_builtins(one), "until": rfc3339_end(one.until)} for one in report.rulings
        ],
        "offered": {
            "json": layout.V1_JSON.filename in report.forms,
            "html": layout.HTML.filename in report.forms,
            "legacy_json": layout.LEGACY.filename in report.forms,
            "files": sum(one.files - one.hidden - one.omitted for one in releases),
            "yanked": sum(one.yanked for one in releases),
            "hidden": sum(one.hidden for one in releases),
            "omitted": sum(one.omitted for one in releases),
        },
        "releases": [msgspec.to_builtins(one) for one in releases],
    }


def _event_object(one: TimedEvent) -> dict[str, object]:
    times = msgspec.structs.asdict(one.times)
    moments = {
        key: rfc3339(times[key]) for key in ("asked", "stale_since", "recorded", "published")
    }
    return {**history_object(one.row), **moments, "attempts": one.times.attempts}


def _with_times(value: msgspec.Struct | None, *keys: str) -> dict[str, object] | None:
    if value is None:
        return None
    found = dict(msgspec.to_builtins(value))
    return found | {key: rfc3339(found[key]) for key in keys}
