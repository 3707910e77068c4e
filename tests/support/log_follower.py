"""A follower of the log of withdrawals, written from docs/reference/withdrawals.rst alone."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.request import urlopen


class Follower:
    """Keeps what the events of a mirror come to; nothing here is of yanksync."""

    def __init__(self, base: str) -> None:
        self.base = base  # of log/, with a slash at its end
        self.epoch: int | None = None
        self.cursor = 0
        self.withdrawn: dict[tuple[str, str], str] = {}  # by project and version: the action
        self.fetched: list[str] = []

    def follow(self) -> None:
        """Take in what is new."""
        index = json.loads(self._get("index.json"))
        if index["epoch"] != self.epoch:
            self.epoch, self.cursor = index["epoch"], 0
            self.withdrawn.clear()
        for page in index["pages"]:
            if page["last"] > self.cursor:
                self._take(page)

    def _take(self, page: dict[str, Any]) -> None:
        body = self._get(page["name"])
        lines = body.splitlines(keepends=True)[: page["count"]]  # it may have grown meanwhile
        assert hashlib.sha256(b"".join(lines)).hexdigest() == page["sha256"]
        for line in lines:
            event = json.loads(line)
            if event["cursor"] > self.cursor:
                self._handle(event)
                self.cursor = event["cursor"]

    def _handle(self, event: dict[str, Any]) -> None:
        for version in event["versions"] or [""]:
            key = event["project"], version
            if event["action"] in ("yank", "remove", "quarantine"):
                self.withdrawn[key] = event["action"]
            elif event["action"] in ("unyank", "return", "unquarantine"):
                self.withdrawn.pop(key, None)

    def _get(self, name: str) -> bytes:
        self.fetched.append(name)
        with urlopen(self.base + name) as answer:
            return bytes(answer.read())
