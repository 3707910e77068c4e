"""The options of every session with one upstream."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct


class SessionOptions(Struct, frozen=True):
    """How to ask one upstream, and how much at once."""

    user_agent: str
    timeout: float  # seconds without a byte, after which a request is given up
    workers: int  # connections at once
    allow_http: bool = False  # redirects may lead from https down to http
    redirect_hosts: Collection[str] = ()  # where pages may lead, with a port or without
