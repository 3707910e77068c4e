"""The command line.

Each command builds values, calls one function and prints its result.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec

from yanksync import __version__
from yanksync.cli import error_handling
from yanksync.cli.error_handling import Color, LogFormat, did_you_mean
from yanksync.cli.logs import CliContext

# Where each command is defined. Its module is imported only when it is used.
COMMANDS = {
    "init": "yanksync.cli.init:init",
    "doctor": "yanksync.cli.doctor:doctor",
    "sync": "yanksync.cli.sync:sync",
    "full-resync": "yanksync.cli.sync:full_resync",
    "run": "yanksync.cli.run:run",
    "bundle": "yanksync.cli.bundle:bundle",
    "status": "yanksync.cli.reports.status:status",
    "check": "yanksync.cli.reports.check:check",
    "why": "yanksync.cli.reports.why:why",
    "history": "yanksync.cli.reports.history:history",
    "audit": "yanksync.cli.reports.audit:audit",
    "compare": "yanksync.cli.reports.compare:compare",
    "rescue": "yanksync.cli.reports.rescue:rescue",
    "exposure": "yanksync.cli.reports.exposure:exposure",
    "adopt": "yanksync.cli.adopt:adopt",
    "verify": "yanksync.cli.reports.verify:verify",
    "holds": "yanksync.cli.reports.holds:holds",
    "approve": "yanksync.cli.reports.approve:approve",
    "restore": "yanksync.cli.reports.restore:restore_files",
    "forget": "yanksync.cli.forget:forget_projects",
    "backup": "yanksync.cli.backup:backup",
    "show": "yanksync.cli.show:show",
    "config": "yanksync.cli.config:config",
    "completion": "yanksync.cli.about:completion",
    "help": "yanksync.cli.about:show_help",
    "version": "yanksync.cli.about:version",
}
GROUPS = {
    "Setting up": ("init", "config", "doctor", "show", "adopt", "completion"),
    "Mirroring": ("sync", "full-resync", "run", "bundle"),
    "Looking": ("status", "check", "why", "history", "verify"),
    "Helping users": ("audit", "compare", "rescue", "exposure"),
    "Deciding": ("holds", "approve", "restore", "forget"),
    "Other": ("backup", "help", "version"),
}
"""The commands by what they are for, as the help shows them."""


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of a reader's interest."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of each group with their short help."""
        for title, names in GROUPS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(title):
                formatter.write_dl(
                    [(name, one.get_short_help_str(60)) for name, one in commands if one]
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a command line, or suggest one."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.UsageError(
                f"there is no command {args[0]!r}{did_you_mean(args[0], COMMANDS)}", ctx
            )
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        parts = command.commands.values() if isinstance(command, click.Group) else ()
        for one in (command, *parts):
            if not any(option in one.params for option in _AGAIN):
                one.params += _AGAIN
        return command


def _said_again(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Accept a global option after the command, too."""
    if not value:
        return
    said = ctx.obj.verbose if param.name == "verbose" else 0
    ctx.obj = msgspec.structs.replace(ctx.obj, **{str(param.name): value + said if said else value})
    _begin(ctx)


def _begin(ctx: click.Context) -> None:
    """Set up the log as the options say."""
    context: CliContext = ctx.obj
    if context.verbose and context.quiet:
        raise click.UsageError("-v and -q exclude each other")
    voice = error_handling.output_format
    voice.form, voice.traceback, voice.color = (
        context.form,
        context.verbose > 1,
        context.colored,
    )
    ctx.color = {"auto": None, "always": True, "never": False}[context.color]
    root = ctx.find_root()
    if "direct" not in root.meta:
        root.meta["direct"] = root.with_resource(ExitStack())
    root.meta["direct"].close()
    root.meta["direct"].enter_context(context.direct())


_LOG_FILE = click.Path(path_type=Path, dir_okay=False)
_COLOR = click.Choice(["auto", "always", "never"])
_AGAIN = [
    click.Option(
        declared,
        is_flag=is_flag,
        count=count,
        type=kind,
        hidden=True,
        expose_value=False,
        callback=_said_again,
    )
    for declared, is_flag, count, kind in (
        (["--config"], False, False, click.Path(path_type=Path, dir_okay=False)),
        (["-v", "--verbose"], False, True, None),
        (["-q", "--quiet"], True, False, None),
        (["--log-format", "form"], False, False, click.Choice(["text", "json"])),
        (["--log-file"], False, False, _LOG_FILE),
        (["--color"], False, False, _COLOR),
    )
]
"""The global options as each command accepts them; the group's help tells of them."""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Configuration file [default: $YANKSYNC_CONFIG, else ./yanksync.toml, if there is one].",
)
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Print progress messages; twice: also what a bug report needs.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the log is written to standard error.",
)
@click.option("--log-file", type=_LOG_FILE, metavar="FILE", help="Append the log to FILE, too.")
@click.option(
    "--color",
    type=_COLOR,
    default="auto",
    show_default=True,
    help="Colour errors and warnings; auto: on a terminal, unless NO_COLOR is set.",
)
@click.version_option(__version__, prog_name="yanksync")
@click.pass_context
def cli(
    context: click.Context,
    config: Path | None,
    verbose: int,
    quiet: bool,
    log_format: LogFormat,
    log_file: Path | None,
    color: Color,
) -> None:
    """Keep a static mirror of a package index by following its journal.

    \b
    Examples:
      yanksync sync                 one pass; the first builds the mirror
      yanksync status               the state of the mirror
      yanksync history demo         what was yanked, removed and quarantined

    Exit codes: 0 done, 1 failed or the check found something, 2 usage or configuration, 3 done in
    part, 4 held back by a guard, 75 another run holds the lock, 130 and 143 interrupted.
    """
    context.obj = CliContext(
        config=config,
        verbose=verbose,
        quiet=quiet,
        form=log_format,
        log_file=log_file,
        color=color,
    )
    _begin(context)


def main() -> None:
    """Run the command line; :mod:`yanksync.cli.error_handling` decides how it ends."""
    sys.exit(error_handling.run_guarded(cli))
