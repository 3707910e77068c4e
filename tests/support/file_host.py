"""Serves one package file, and can answer wrongly as hosts do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.support.raw_server import RESET, reply

BODY = bytes(range(256)) * 400  # 100 KiB
ETAG = '"the-first"'


class FileHost:
    """What a raw server answers with: the file, whole or from a byte on."""

    def __init__(self, body: bytes = BODY, **headers: str) -> None:
        """``headers`` are those of each answer; an ETag by default."""
        self.body = body
        self.headers = headers or {"ETag": ETAG}
        self.odd: list[Callable[[str], bytes | list[bytes]]] = []  # the next answers, if not right

    def __call__(self, head: str) -> bytes | list[bytes] | Iterator[bytes]:
        answer = self.odd.pop(0)(head) if self.odd else self.right(head)
        return iter(answer) if isinstance(answer, list) else answer

    def right(self, head: str) -> bytes:
        """Answer as a good host does."""
        found = re.search(r"Range: bytes=([0-9]+)-\r\n", head)
        known = re.search(r"If-Range: (.*)\r\n", head)
        if found is None or known is None or known[1] not in self.headers.values():
            return reply(self.body, **self.headers)
        return self.part(int(found[1]))

    def part(self, start: int) -> bytes:
        """Answer with the bytes from ``start`` on."""
        where = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
        return reply(self.body[start:], "206 Partial Content", Content_Range=where, **self.headers)

    def cut(self, count: int) -> Callable[[str], list[bytes]]:
        """Answer with so many bytes of what would be right, and close."""

        def answer(head: str) -> list[bytes]:
            whole = self.right(head)
            return [whole[: whole.index(b"\r\n\r\n") + 4 + count], b""]

        return answer

    def reset(self, head: str) -> list[bytes]:
        """Close without an answer."""
        return [RESET]
