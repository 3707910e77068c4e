"""The tables and the JSON of a run."""

from __future__ import annotations

import os
import platform
import shlex
import textwrap
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from .measure import Taken
from .scenarios import BUILDS, SCENARIOS, Outcome
from .tools import Floor, Tool, Yanksync, Yardstick

_HEAD = (
    *("tool", "wall s", "÷ floor", "÷ peer", "CPU s", "÷ floor", "÷ peer", "kernel s"),
    *("MiB", "requests", "received kB", "fsyncs", "ms/project", "CPU s before pages", "others"),
)
_DOCUMENTED = 9  # columns of the table for the documentation: the first ones
_TITLE = textwrap.TextWrapper(
    100, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False
)


def middle(runs: Sequence[Taken], field: str) -> float | None:
    """Return the median of one figure over the repetitions."""
    values = [value for run in runs if (value := getattr(run, field)) is not None]
    return median(values) if values else None


def table(outcomes: Iterable[Outcome], tools: Sequence[Tool]) -> str:
    """Return everything as text: per scenario a line for each tool, medians and ratios."""
    lines: list[str] = []
    first: dict[str, float] = {}
    for outcome in outcomes:
        lines += [_shape(outcome), ""]
        for scenario in (name for name in SCENARIOS if name in outcome.runs):
            rows = _aligned(_cells(outcome, scenario, tools))
            notes = [*_more(scenario, outcome), *_notes(outcome.runs[scenario])]
            lines += [f"{scenario}: {SCENARIOS[scenario]}", *rows, *notes, ""]
        lines += _size(outcome)
        lines += _growth(outcome, first)
    return "\n".join(lines)


def documented(outcomes: Iterable[Outcome], tools: Sequence[Tool], argv: Sequence[str]) -> str:
    """Return the first columns as reStructuredText, one table for each number of projects."""
    lines: list[str] = []
    for outcome in outcomes:
        title = f"{_shape(outcome)}; {_machine()}; ``scripts/bench {shlex.join(argv)}``"
        lines += [*_TITLE.wrap(f".. list-table:: {title}"), "   :header-rows: 1", ""]
        rows = [["pass", *_HEAD]]
        for scenario in (name for name in SCENARIOS if name in outcome.runs):
            rows += [[scenario, *row] for row in _cells(outcome, scenario, tools)[1:]]
        for row in _without_empty([row[: _DOCUMENTED + 1] for row in rows]):
            first, *more = (f"- {cell}".rstrip() for cell in row)
            lines += [f"   * {first}", *(f"     {cell}" for cell in more)]
        lines.append("")
    return "\n".join(lines)


def _machine() -> str:
    """Return what the figures depend on besides the program."""
    return f"{os.cpu_count()} CPUs, Python {platform.python_version()}"


def save(
    path: Path, outcomes: Sequence[Outcome], tools: Sequence[Tool], argv: Sequence[str]
) -> None:
    """Write everything that was measured as JSON."""
    medians = [
        {
            scenario: {
                tool: {
                    field: middle(taken, field)
                    for field in Taken.__struct_fields__
                    if field not in ("good", "note", "code")
                }
                for tool, taken in tools_runs.items()
            }
            for scenario, tools_runs in outcome.runs.items()
        }
        for outcome in outcomes
    ]
    value = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "arguments": list(argv),
        "machine": {
            "cpus": os.cpu_count(),
            "load": os.getloadavg(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "versions": {tool.name: tool.version for tool in tools if tool.version},
        "outcomes": outcomes,
        "medians": medians,
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _cells(outcome: Outcome, scenario: str, tools: Sequence[Tool]) -> list[list[str]]:
    """Return the head, and a row for each tool."""
    runs = outcome.runs[scenario]
    kinds = {tool.name: type(tool) for tool in tools}
    base = [name for name in runs if issubclass(kinds[name], Floor | Yardstick)]
    peers = [name for name in runs if kinds[name] is not Yanksync and name not in base]

    def best(names: Sequence[str], field: str) -> float | None:
        return min((_of(runs, name, field) for name in names), default=None)

    cells = [list(_HEAD)]
    for name, taken in runs.items():
        own, used = _of(runs, name, "wall"), _of(runs, name, "cpu")
        syncs, before = middle(taken, "fsyncs"), middle(taken, "before_pages")
        cells.append(
            [
                name,
                f"{own:.2f}",
                _ratio(own, best(base, "wall")),
                _ratio(own, best(peers, "wall")),
                f"{used:.2f}",
                _ratio(used, best(base, "cpu")),
                _ratio(used, best(peers, "cpu")),
                f"{_of(runs, name, 'system'):.2f}",
                f"{_of(runs, name, 'peak_mib'):.0f}",
                f"{_of(runs, name, 'requests'):.0f}",
                f"{_of(runs, name, 'received') / 1000:.1f}",
                "" if syncs is None else f"{syncs:.0f}",
                f"{own / outcome.projects * 1000:.2f}" if scenario in BUILDS else "",
                "" if before is None else f"{before:.2f}",
                f"{_of(runs, name, 'others'):.1f}",
            ]
        )
    return cells


def _without_empty(cells: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the rows without the columns that only have a head."""
    columns = [column for column in zip(*cells, strict=True) if any(column[1:])]
    return list(zip(*columns, strict=True))


def _aligned(cells: Iterable[Sequence[str]]) -> list[str]:
    rows = _without_empty(cells)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]


def _more(scenario: str, outcome: Outcome) -> list[str]:
    """Say what cooldown adds to an empty pass, which is too little for two decimals."""
    runs = outcome.runs[scenario]
    if scenario != "cooldown-empty" or len(runs) < 2:
        return []
    own, plain = runs.values()
    more = [
        f"{1000 * ((middle(own, field) or 0) - (middle(plain, field) or 0)):+.1f} ms {name}"
        for field, name in (("wall", "wall"), ("cpu", "CPU"))
    ]
    return [f"  cooldown adds {', '.join(more)}; medians of {len(own)} passes each"]


def _notes(runs: dict[str, list[Taken]]) -> list[str]:
    return [
        f"  ! {name}: {run.note}" for name, taken in runs.items() for run in taken if not run.good
    ]


def _of(runs: dict[str, list[Taken]], name: str, field: str) -> float:
    return middle(runs[name], field) or 0.0


def _ratio(value: float, base: float | None) -> str:
    return "" if not base else f"{value / base:.2f}"


def _shape(outcome: Outcome) -> str:
    facts, count = outcome.facts, outcome.projects
    return (
        f"{count} projects, {facts['files']} files (median {facts['median']} a project, most "
        f"{facts['largest']}), {facts['json_bytes'] / count / 1000:.1f} kB of JSON a page"
    )


def _size(outcome: Outcome) -> list[str]:
    size = outcome.size
    if size is None:
        return []
    text = (
        f"on disk: state {size.state / 1e6:.1f} MB, tree {size.tree / 1e6:.1f} MB in {size.inodes} "
        f"files ({size.names / 1e6:.1f} MB in {size.files} names): state ÷ tree "
        f"{size.state / size.tree:.2f} (÷ names {size.state / size.names:.2f})"
    )
    return [text, ""]


def _growth(outcome: Outcome, first: dict[str, float]) -> list[str]:
    """Compare the time per project with that of the first number of projects."""
    lines = []
    for name in outcome.runs.get("cold", {}):
        each = _of(outcome.runs["cold"], name, "wall") / outcome.projects
        if name in first:
            lines.append(
                f"cold, time per project against the first size: {name} {each / first[name]:.2f}"
            )
        first.setdefault(name, each)
    return [*lines, ""] if lines else []
