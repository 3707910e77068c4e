"""Gives the one-line answer of ``why`` (pure).

The answer says whether the release can be installed from this mirror, and if not, why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from yanksync.core.model import HistoryAction, ProjectStatus
from yanksync.core.policies.cooldown import format_time
from yanksync.core.project_state import Presence, PublishReason
from yanksync.reports.why.installers import chosen_release
from yanksync.reports.why.report import Answer, FileRuling, PinOutcome, ReleaseOffer, WhyReport

_TAKEN = (HistoryAction.REMOVE, HistoryAction.QUARANTINE, HistoryAction.AVERTED)
_PAST = {
    HistoryAction.REMOVE: "removed",
    HistoryAction.QUARANTINE: "quarantined",
    HistoryAction.AVERTED: "withdrew",
}
_LONGEST = 200  # characters of a reason in the answer


class Judgement(Struct, frozen=True):
    """The answer, and a sentence that begins with it."""

    answer: Answer
    text: str


def judge(report: WhyReport) -> Judgement:
    """Return whether and why a release or project can be installed."""
    return _without_files(report) or (
        _of_project(report) if report.version is None else _of_release(report)
    )


def _no(text: str) -> Judgement:
    return Judgement(Answer.NO, f"No: {text}.")


def _without_files(report: WhyReport) -> Judgement | None:
    """Return why the project as a whole offers nothing.

    None: it offers something.
    """
    name = report.project
    if report.status is None:
        if report.presence is Presence.REMOVED:
            when = _when(report, None, HistoryAction.REMOVE)
            return _no(f"upstream removed {name}{when}{_not_kept(report)}")
        if report.presence is Presence.PRESENT:
            return _no(
                f"the recorded page of {name} cannot be read; 'yanksync full-resync {name}' "
                "fetches it again"
            )
        if report.presence is Presence.UNKNOWN:
            return _no(f"upstream has no project {name}")
        other = "; another program or state has published one" if report.forms else ""
        return _no(f"no page of {name} is recorded yet{other}{_waiting(report)}")
    if report.status == ProjectStatus.QUARANTINED:
        when = _when(report, None, HistoryAction.QUARANTINE)
        still = _unpublished(report)
        return _no(f"upstream quarantined {name}{when}{_because(report.status_reason)}{still}")
    if not report.forms:
        problem = report.times.publish and report.times.publish.problem
        return _no(f"{name} is recorded and not published yet{f': {problem}' if problem else ''}")
    return None


def _of_release(report: WhyReport) -> Judgement:
    subject = f"{report.project} {report.version}"
    release = chosen_release(report.releases)
    if release is None:
        return _no(_why_missing(report, subject))
    if release.wheels + release.sdists == 0:
        return _no(_why_not_offered(report, release, subject))
    notes = "".join(f"; {note}" for note in _notes(report, release))
    if PinOutcome.INSTALLS not in (release.pip, release.uv):
        yanked = _yanked(report, release)
        text = f"Only if it is pinned exactly: {subject} {yanked}{notes}."
        return Judgement(Answer.YANKED, text)
    return Judgement(Answer.YES, f"Yes: {subject} is offered{notes}.")


def _of_project(report: WhyReport) -> Judgement:
    name, releases = report.project, report.releases
    offered = [one for one in releases if one.wheels + one.sdists]
    yanked = [one for one in offered if PinOutcome.INSTALLS not in (one.pip, one.uv)]
    if not offered:
        return _no(_why_nothing(report))
    notes = list(_guarded(report))
    if hidden := sum(one.hidden for one in releases):
        notes.insert(0, f"{_count(hidden, 'file')} hidden{_by_rules(report.rulings)}")
    end = "".join(f"; {note}" for note in notes)
    if len(yanked) == len(offered):
        every = f"every release of {name} that is offered is yanked"
        return Judgement(Answer.YANKED, f"Only if it is pinned exactly: {every}{end}.")
    text = f"{len(offered)} of {_count(len(releases), 'release')} of {name} can be installed"
    if yanked:
        text += f", {len(yanked)} of them only if pinned exactly, because of a yank"
    return Judgement(Answer.YES, f"Yes: {text}{end}.")


def _why_nothing(report: WhyReport) -> str:
    name = report.project
    if not report.releases:
        return f"upstream's page of {name} has no file"
    if any(one.hidden for one in report.releases):
        return f"every file of {name} is hidden{_by_rules(report.rulings)}"
    return f"no release of {name} has a wheel or an sdist that is offered"


def _why_missing(report: WhyReport, subject: str) -> str:
    """Return why no page shows a file of the release."""
    left_out = next((one for one in report.kept if not one.shown), None)
    if left_out is not None:
        return (
            f"a guard leaves {left_out.file.filename} out: {left_out.held}; "
            f"'yanksync approve {report.project}' lets it through"
        )
    # The removal of a single file counts, too: it was the last file, because no page shows another.
    newest = next((one.row for one in reversed(report.events) if one.row.version), None)
    waiting = _waiting(report)
    if newest is not None and newest.action in _TAKEN:
        averted = newest.action is HistoryAction.AVERTED
        hidden = ", while a rule of this mirror hid it" if averted else ""
        date = f"{format_time(newest.timestamp)[:10]}{_serial(newest.serial)}"
        return f"upstream {_PAST[newest.action]} {subject} on {date}{hidden}{_not_kept(report)}"
    if waiting:
        return f"upstream's page of serial {report.serial} has no {subject}{waiting}"
    return f"upstream has no {subject}"


def _not_kept(report: WhyReport) -> str:
    """Return why the mirror offers no copy of what upstream removed."""
    return "" if report.not_kept is None else f"; its copy is not kept: {report.not_kept}"


def _why_not_offered(report: WhyReport, release: ReleaseOffer, subject: str) -> str:
    if release.hidden:
        return f"{subject} is hidden{_by_rules(report.rulings)}"
    if release.omitted:
        yanked = _yanked(report, release)
        return f'{subject} {yanked}, and mirror.yanked = "omit" leaves it out'
    return f"{subject} has neither a wheel nor an sdist"


def _notes(report: WhyReport, release: ReleaseOffer) -> Iterator[str]:
    """Yield notes for users of an installable release."""
    shown = release.files - release.hidden - release.omitted
    if 0 < release.yanked < shown:
        yield f"{release.yanked} of {_count(shown, 'file')} are yanked"
    if release.hidden:
        yield f"{release.hidden} of {_count(release.files, 'file')} are hidden" + _by_rules(
            report.rulings
        )
    if release.omitted:
        yield f"{_count(release.omitted, 'yanked file')} left out (mirror.yanked)"
    yield from _guarded(report)


def _guarded(report: WhyReport) -> Iterator[str]:
    """Yield what a guard holds, and what waits."""
    publish, fetch = report.times.publish, report.times.fetch
    if publish is not None and publish.reason is PublishReason.EXCLUDED:
        yield "mirror.projects and mirror.exclude leave the project out from the next pass on"
    elif publish is not None and publish.reason is not PublishReason.PAGE:
        held = "a guard keeps it here" if publish.held else "the next pass removes it here"
        yield f"upstream removed the project, and {held}"
    elif any(one.shown for one in report.kept):
        yield "upstream changed or removed files that stay here as they were published"
    elif publish is not None:
        yield "what is recorded is not published yet; the next pass does it"
    if fetch is not None and fetch.problem is not None:
        yield "a newer page is awaited"


def _yanked(report: WhyReport, release: ReleaseOffer) -> str:
    """Return that a release is yanked: by whom, when and why."""
    rule = next((one for one in report.rulings if one.action == "yank"), None)
    if rule is not None:
        return f"is yanked by {rule.rule}{_because(rule.reason)}"
    when = _when(report, report.version, HistoryAction.YANK)
    verb = f"was yanked{when}" if when else "is yanked"
    return f"{verb}{_because(release.reason) or ', without a reason'}"


def _because(reason: str | None) -> str:
    if not reason:
        return ""
    return f": {reason}" if len(reason) <= _LONGEST else f": {reason[:_LONGEST]}…"


def _by_rules(rulings: Sequence[FileRuling]) -> str:
    """Return which rules hide files, and until when."""
    hides = [one for one in rulings if one.action == "hide"]
    rules = list(dict.fromkeys(one.rule for one in hides))
    if not rules:
        return ""
    ends = [one.until for one in hides if one.until is not None]
    until = f" until {format_time(min(ends))}" if ends else ""
    more = f" and {_count(len(rules) - 1, 'more rule')}" if len(rules) > 1 else ""
    return f" by {rules[0]}{more}{until}"


def _when(report: WhyReport, version: str | None, action: HistoryAction) -> str:
    """Return the day and serial of the newest event of this kind.

    Returns "" if it is not known.
    """
    for one in reversed(report.events):
        whole = (one.row.version is None) == (version is None)
        if whole and one.row.action is action and one.row.file is None:
            return f" on {format_time(one.row.timestamp)[:10]}{_serial(one.row.serial)}"
    return ""


def _serial(serial: int | None) -> str:
    return "" if serial is None else f" (serial {serial})"


def _unpublished(report: WhyReport) -> str:
    """Return that a quarantine is not published yet; "": it is."""
    publish = report.times.publish
    if publish is None:
        return ""
    problem = f": {publish.problem}" if publish.problem else ""
    return f"; the output does not have that yet{problem}, and the next pass tries again"


def _waiting(report: WhyReport) -> str:
    """Return what the project waits for; "": nothing."""
    fetch = report.times.fetch
    if fetch is None:
        return ""
    if fetch.held is not None:
        return f"; a guard keeps it from being asked for: {fetch.held}"
    problem = f": {fetch.problem}" if fetch.problem else ""
    serial = "a newer one" if fetch.required_serial is None else f"serial {fetch.required_serial}"
    return f"; a pass waits for {serial}{problem}"


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
