"""Commands about the program itself: ``help``, ``version`` and ``completion``."""

from __future__ import annotations

import platform

import click
import msgspec

from yanksync import __version__
from yanksync.cli.error_handling import did_you_mean


@click.command("help", short_help="Show the help of a command.")
@click.argument("words", nargs=-1, metavar="[COMMAND]")
@click.pass_context
def show_help(context: click.Context, words: tuple[str, ...]) -> int:
    """Show the help of COMMAND, or the list of all commands.

    \b
    Examples:
      yanksync help
      yanksync help sync
    """
    at = context.find_root()
    for word in words:
        group = at.command
        known = group.list_commands(at) if isinstance(group, click.Group) else []
        if not isinstance(group, click.Group) or word not in known:
            raise click.UsageError(f"there is no command {word!r}{did_you_mean(word, known)}")
        command = group.get_command(at, word)
        assert command is not None
        at = click.Context(command, at, info_name=word)
    click.echo(at.get_help())
    return 0


@click.command(short_help="Print the version.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON, with the versions of Python and the system.",
)
def version(as_json: bool) -> int:
    """Print the version of yanksync.

    \b
    Examples:
      yanksync version
      yanksync version --json
    """
    if as_json:
        facts = {
            "version": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        }
        click.echo(msgspec.json.encode(facts).decode())
    else:
        click.echo(f"yanksync {__version__}")
    return 0


@click.command(short_help="Print the completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the completion script for SHELL: bash, zsh or fish.

    It completes commands, options and project names.

    \b
    Examples:
      yanksync completion bash > /etc/bash_completion.d/yanksync
      yanksync completion zsh > /usr/local/share/zsh/site-functions/_yanksync
      yanksync completion fish > ~/.config/fish/completions/yanksync.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    click.echo(kind(root, {}, "yanksync", "_YANKSYNC_COMPLETE").source())
    return 0
