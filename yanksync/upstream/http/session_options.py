"""The options of every session with one upstream."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct


class SessionOptions(Struct, frozen=True):
    """How to ask one upstream, and how much at once."""

    user_agent: str
    timeout: float  # seconds without a byte until a request fails
    workers: int  # connections at once
    allow_http: bool = False  # redirects may lead from https down to http
    redirect_hosts: Collection[str] = ()  # hosts for redirects, with or without a port
