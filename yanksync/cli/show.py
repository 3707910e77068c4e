"""The command that writes what operators need: ``show``."""

from __future__ import annotations

import re

import click

from yanksync.cli.logs import CliContext
from yanksync.core.exit_codes import ExitCode
from yanksync.service.deployment_files import FILES, UNITS, render_file, this_installation

_NAMES = {"nginx": ("nginx.conf",), "caddy": ("Caddyfile",), "systemd": UNITS}
_WHAT = {**_NAMES, **{name: (name,) for name in FILES if name not in ("nginx.conf", "Caddyfile")}}


@click.command(short_help="Print files for nginx, Caddy, cron, systemd.")
@click.argument("what", type=click.Choice(list(_WHAT)), metavar="WHAT")
@click.option(
    "--listen",
    default="80",
    show_default=True,
    metavar="ADDRESS",
    help="nginx and Caddy: a port, or address:port; for Caddy also a host name.",
)
@click.option(
    "--user", default="yanksync", show_default=True, help="cron and systemd: who runs it."
)
@click.pass_obj
def show(context: CliContext, what: str, listen: str, user: str) -> ExitCode:
    """Print what a mirror is run and served with, filled in from the configuration.

    WHAT is nginx, caddy, crontab or systemd, or one unit of the last: yanksync.service,
    yanksync.timer or yanksync-run.service.

    \b
    Examples:
      yanksync show nginx > /etc/nginx/conf.d/mirror.conf
      yanksync show caddy --listen mirror.example.org
      yanksync show crontab --user mirror
      yanksync show yanksync.timer > /etc/systemd/system/yanksync.timer
    """
    _check("--listen", listen, "port, address:port or host name")
    _check("--user", user, "name of a user")
    port = listen.rpartition(":")[2]
    if re.fullmatch("[0-9]+", port) and not 1 <= int(port) <= 65535:
        raise click.BadParameter(f"the port {port} is not from 1 to 65535", param_hint="--listen")
    settings = context.settings()
    names = _WHAT[what]
    texts = [
        render_file(name, settings, this_installation(settings, user, listen)) for name in names
    ]
    for name, text in zip(names, texts, strict=True):
        if len(names) > 1:
            click.echo(f"# ---- /etc/systemd/system/{name}")
        click.echo(text, nl=len(names) > 1)
    return ExitCode.DONE


def _check(option: str, value: str, what: str) -> None:
    """Refuse what would mean something else in one of the files."""
    if not re.fullmatch(r"[\w.:\[\]-]+", value):
        raise click.BadParameter(f"{value!r} is no {what}", param_hint=option)
