"""Reports the status of the service to systemd.

It sends one datagram, as sd_notify(3) describes. Outside systemd ``NOTIFY_SOCKET`` is unset, and
nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

_PATIENCE = 1.0  # seconds


class SystemdNotifier:
    """The service manager that started this process, if one did."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address: str | None = None
        if address.startswith(("/", "@")) and hasattr(socket, "AF_UNIX"):
            self._address = "\0" + address[1:] if address[0] == "@" else address  # abstract
        self.watchdog = _watchdog(environ)  #: seconds until the watchdog acts, or None

    def notify(self, **facts: str | int) -> None:
        """Send ``facts`` such as ``READY=1``, and ignore errors."""
        if self._address is None:
            return
        message = "\n".join(f"{key}={value}" for key, value in facts.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(_PATIENCE)  # its queue may be full: "ready" must not get lost
            channel.sendto(message.encode(), self._address)


def _watchdog(environ: Mapping[str, str]) -> float | None:
    text = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(text) / 1e6 if meant and text.isdecimal() and int(text) > 0 else None
