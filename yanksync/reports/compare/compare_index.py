"""Compares an index with the state, project by project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from yanksync.core.errors import InvalidAnswer, UpstreamError
from yanksync.core.names import NormalizedName
from yanksync.reports.audit.state_source import facts_of_state
from yanksync.reports.compare.asked_index import Answer, OtherIndex
from yanksync.reports.compare.differences import Comparison, Difference, DifferenceKind
from yanksync.reports.compare.pages import compare
from yanksync.state.state import State
from yanksync.state.views.comparable import Selection

_MOST_FAILURES = 20  # in a row: then the index is not asked for the rest


def begin(index: OtherIndex, state: State, selection: Selection) -> Comparison:
    """Return an empty comparison with the serials of both sides.

    Raises :class:`UpstreamError` when the index does not answer.
    """
    theirs = index.serial()
    found = Comparison(state.comparable.count(selection))
    found.serial = state.facts.followed_serial
    found.index_serial = theirs
    if theirs is not None:
        found.behind_since = state.comparable.first_after(theirs)
    return found


def differences(
    index: OtherIndex, state: State, selection: Selection, summary: Comparison
) -> Iterator[tuple[NormalizedName, tuple[Difference, ...]]]:
    """Yield each project with its differences, and count them.

    If it ends early, ``summary`` has the reason.
    """
    failures = 0
    names = state.comparable.names(selection)
    with closing(index.pages(names)) as pages:
        try:
            for name, answer in pages:
                found = tuple(_of_project(state, name, answer))
                summary.compared += 1
                for one in found:
                    summary.count(one)
                yield name, found
                failures = failures + 1 if isinstance(answer, UpstreamError) else 0
                if failures == _MOST_FAILURES:
                    summary.problem = f"{failures} answers in a row cannot be used"
                    return
        except UpstreamError as error:
            summary.problem = str(error)


def _of_project(state: State, name: NormalizedName, answer: Answer) -> Iterator[Difference]:
    if isinstance(answer, UpstreamError):
        yield Difference(kind=DifferenceKind.UNCHECKED, project=name, problem=str(answer))
        return
    try:
        facts = facts_of_state(state, [name])[name]
    except InvalidAnswer as error:
        yield Difference(kind=DifferenceKind.UNCHECKED, project=name, problem=str(error))
        return
    page = None if answer is None else answer.page
    yield from compare(facts, page, html=answer is not None and answer.html)
