"""The command that prints files for operators: ``show``."""

from __future__ import annotations

import os
import re

import click

from yanksync.cli.logs import CliContext
from yanksync.config.load import valid
from yanksync.core.exit_codes import ExitCode
from yanksync.service.deployment_files import FILES, UNITS, render_file, this_installation

_SHORT = {
    "nginx.conf": "nginx",
    "Caddyfile": "caddy",
    "sysusers.conf": "sysusers",
    "tmpfiles.conf": "tmpfiles",
}
_WHAT = {_SHORT.get(name, name): (name,) for name in FILES} | {"systemd": UNITS}
_USERS = ("crontab", "sysusers", "tmpfiles", "systemd", UNITS[0], UNITS[2])


@click.command(short_help="Print files for cron, systemd, nginx, Caddy.")
@click.argument("what", type=click.Choice(list(_WHAT)), metavar="WHAT")
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="nginx and Caddy: a port, or address:port; for Caddy also a host name.  [default: 80]",
)
@click.option("--server-name", metavar="NAME", help="nginx: the host.  [default: _, for any]")
@click.option("--user", help="cron and systemd: the user that runs it.  [default: yanksync]")
@click.pass_obj
def show(
    context: CliContext, what: str, listen: str | None, server_name: str | None, user: str | None
) -> ExitCode:
    """Print files for web server and schedule, made from the configuration.

    WHAT is nginx, caddy, crontab, systemd (all units), or one unit: yanksync.service,
    yanksync.timer or yanksync-run.service. With sysusers and tmpfiles, systemd makes the user and
    the directories.

    The crontab and the units repeat the settings that come from YANKSYNC_… variables; one that may
    be a secret is refused.

    \b
    Examples:
      yanksync show nginx > /etc/nginx/conf.d/mirror.conf
      yanksync show caddy --listen mirror.example
      yanksync show crontab --user mirror
      yanksync show tmpfiles > /etc/tmpfiles.d/yanksync.conf
      yanksync show yanksync.timer > /etc/systemd/system/yanksync.timer
    """
    _check("--listen", listen, "port, address:port or host name", what, ("nginx", "caddy"))
    _check("--server-name", server_name, "name of a host", what, ("nginx",))
    _check("--user", user, "name of a user", what, _USERS)
    if listen is not None:
        _check_address(listen, what)
    found = context.examined()
    settings = valid(found)
    here = this_installation(
        found, os.environ, user or "yanksync", listen or "80", server_name or "_"
    )
    names = _WHAT[what]
    texts = [render_file(name, settings, here) for name in names]
    for name, text in zip(names, texts, strict=True):
        if len(names) > 1:
            click.echo(f"# ---- /etc/systemd/system/{name}")
        click.echo(text, nl=len(names) > 1)
    return ExitCode.DONE


def _check(option: str, value: str | None, kind: str, what: str, known: tuple[str, ...]) -> None:
    """Refuse an option that the file cannot have."""
    if value is not None and what not in known:
        raise click.UsageError(f"{option} means nothing for {what}; it is for {', '.join(known)}")
    if value is not None and not re.fullmatch(r"[\w.:\[\]-]+", value):
        raise click.BadParameter(f"{value!r} is no {kind}", param_hint=option)


def _check_address(listen: str, what: str) -> None:
    """Refuse an impossible port, and a host name for nginx."""
    port = listen.rpartition(":")[2]
    if re.fullmatch("[0-9]+", port) and not 1 <= int(port) <= 65535:
        raise click.BadParameter(f"the port {port} is not from 1 to 65535", param_hint="--listen")
    if (
        what == "nginx"
        and re.fullmatch(r"[\w.-]*[A-Za-z][\w.-]*", listen)
        and listen != "localhost"
    ):
        problem = f"nginx listens at a port or address: name the host with --server-name {listen}"
        raise click.BadParameter(problem, param_hint="--listen")
