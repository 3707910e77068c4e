"""Arguments of scripts/bench, and the run they describe."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from . import cooldown, events, files, report
from .nginx import GONE, clear
from .scenarios import DEFAULT, SCENARIOS, Bench, Outcome, say
from .tools import Bandersnatch, Floor, Shadowmire, Tool, Yanksync, Yardstick
from .upstream import Upstream

_EPILOG = """scenarios:
{scenarios}

Everything stays on loopback. Machines are noisy: look at ratios within one run, not at seconds.
"others" is how many processors others kept busy meanwhile, the bench's own nginx among them: where
it differs much between two lines, so does what they were given, and their walls do not compare.
Lines marked ! are runs that failed or left pages behind; their figures mean nothing.
"÷ floor" is against curl fetching the same pages to /dev/null and tar unpacking the tree that
yanksync makes of them (in empty passes: against "import requests"; of package files: curl,
sha256sum and sync), "÷ peer" against the better
peer (with cooldown: against yanksync without it). "kernel s" are the CPU seconds spent in the
kernel. On tmpfs the disk adds no noise (--work-dir). Logs of the commands stay in the work
directory with --keep.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; 1 when a run of yanksync failed."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    options = _parser().parse_args(arguments)
    if "all" in options.scenario:
        options.scenario = list(SCENARIOS)
    work = Path(options.work_dir or tempfile.mkdtemp(prefix="yanksync-bench-")).resolve()
    work.mkdir(parents=True, exist_ok=True)
    lock = (work / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        say(f"another bench works in {work}")
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):  # as a job of a script, SIGINT may be ignored
        signal.signal(number, signal.default_int_handler)
    tools = _tools(options, work)
    outcomes: list[Outcome] = []
    try:
        for count in options.projects:
            outcomes.append(_measure(options, work, tools, count))
    finally:
        if any(outcome.runs for outcome in outcomes):
            path = Path(options.json or time.strftime("bench-%Y-%m-%d.json", time.gmtime()))
            report.save(path, outcomes, tools, arguments)
            print(report.table(outcomes, tools))
            say(f"wrote {path}")
            if options.table:
                Path(options.table).write_text(report.documented(outcomes, tools, arguments))
        if not options.keep:
            for directory in (*(tool.home for tool in tools), work / GONE):
                clear(directory)
            if not options.work_dir:
                shutil.rmtree(work)
        else:
            say(f"kept {work}")
    own = [run for o in outcomes for runs in o.runs.values() for run in runs.get("yanksync", ())]
    return 0 if all(run.good for run in own) else 1


def _measure(options: argparse.Namespace, work: Path, tools: list[Tool], count: int) -> Outcome:
    cache = Path(options.cache_dir)
    cache.mkdir(parents=True, exist_ok=True)
    logs = work / "logs"
    logs.mkdir(exist_ok=True)
    upstream = Upstream(work, cache.resolve(), options.seed, count, options.delay / 1000)
    outcome = Outcome(count, upstream.facts, {})
    bench = Bench(
        *(upstream, logs, options.scenario, options.names, options.many, outcome, options.fsyncs),
        options.events,
        options.files,
    )
    if "delay" in options.scenario and not upstream.nginx.can_delay:
        say("no delay: install libnginx-mod-http-echo")
    try:
        for repetition in range(options.repeat):
            for tool in tools:
                if not isinstance(tool, cooldown.WithoutCooldown | files.CopyFloor):
                    bench.turn(tool, repetition)
            cooldown.turn(bench, *(tool for tool in tools if isinstance(tool, Yanksync)))
            own = next(tool for tool in tools if isinstance(tool, Yanksync))
            events.turn(bench, own)
            floor = next(tool for tool in tools if isinstance(tool, files.CopyFloor))
            files.turn(bench, own, floor)
    except KeyboardInterrupt:
        say("interrupted; what was measured so far follows")
    finally:
        upstream.close()
    return outcome


def _tools(options: argparse.Namespace, work: Path) -> list[Tool]:
    """Return what is measured. The floor follows yanksync, whose tree it creates once more."""
    own = (work, options.yanksync, options.workers, options.set)
    tools: list[Tool] = [
        Yanksync(*own),
        cooldown.WithoutCooldown(*own),
        Floor(work),
        files.CopyFloor(work),
        Yardstick(work),
    ]
    for kind, named in ((Bandersnatch, options.bandersnatch), (Shadowmire, options.shadowmire)):
        found = None if options.no_peers else shutil.which(kind.name)
        for program in named or ([found] if found else []):
            tools.append(kind(work, Path(program).absolute(), options.peer_workers))
    return tools


def _parser() -> argparse.ArgumentParser:
    scenarios = "\n".join(f"  {name:17} {text}" for name, text in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures yanksync against an upstream of its own making, on loopback: beside "
        "curl and tar, which fetch the same pages and create the same files, and beside its peers.",
        epilog=_EPILOG.format(scenarios=scenarios),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--projects", type=int, nargs="+", default=[5000], metavar="N", help="default: 5000")
    add("--seed", type=int, default=1, help="of the upstream; default: 1")
    add("--repeat", type=int, default=3, metavar="N", help="medians of so many; default: 3")
    add(
        *("--scenario", "--scenarios"),
        nargs="+",
        choices=[*SCENARIOS, "all"],
        default=list(DEFAULT),
        metavar="NAME",
        help=f"default: {' '.join(DEFAULT)}; or all",
    )
    add("--names", type=int, default=700_000, metavar="N", help="length of the long list")
    add("--many", type=int, default=20_000, metavar="N", help="default: %(default)s")
    add(
        "--events",
        type=int,
        default=1_000_000,
        metavar="N",
        help="of the log; default: %(default)s",
    )
    add("--files", type=int, default=20_000, metavar="N", help="default: %(default)s")
    add("--delay", type=float, default=50.0, metavar="MS", help="of scenario delay; default: 50")
    add("--workers", type=int, metavar="N", help="yanksync's; default: its own default")
    add(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="one more setting of yanksync's, in TOML; several times",
    )
    add("--yanksync", default="", metavar="COMMAND", help="default: this checkout's")
    for peer in ("bandersnatch", "shadowmire"):
        add(f"--{peer}", action="append", metavar="PROGRAM", help="default: that on PATH, if any")
    add("--no-peers", action="store_true", help="measure no other mirror that is on PATH")
    add("--peer-workers", type=int, default=10, metavar="N", help="default: 10")
    add("--fsyncs", action="store_true", help="count them too, in runs of their own under strace")
    add("--json", metavar="FILE", help="default: bench-DATE.json here")
    add("--table", metavar="FILE", help="write a table for the documentation")
    add("--work-dir", metavar="DIR", help="default: a temporary one")
    add("--cache-dir", default=_cache(), metavar="DIR", help="of upstreams; default: %(default)s")
    add("--keep", action="store_true", help="leave mirrors and logs in the work directory")
    return parser


def _cache() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "yanksync-bench")
