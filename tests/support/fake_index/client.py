"""Short ways for tests to ask a running fake upstream."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.support.fake_index.http_server import Served

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
_PLAIN = {"Accept": JSON, "Accept-Encoding": "identity"}


class Client:
    """Short ways to ask the running server."""

    def __init__(self, served: Served, session: requests.Session) -> None:
        self.served = served
        self.session = session

    def get(self, path: str, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.served.root_url + path
        return self.session.get(url, headers=named, allow_redirects=False, timeout=60)

    def page(self, name: str = "demo", **headers: str) -> requests.Response:
        return self.get(f"simple/{name}/", **headers)

    def post(self, body: str | bytes, path: str = "pypi", **headers: str) -> requests.Response:
        named = {"Content-Type": "text/xml"}
        named.update({name.replace("_", "-"): value for name, value in headers.items()})
        url = self.served.root_url + path
        return self.session.post(url, body, headers=named, allow_redirects=False, timeout=60)

    def call(self, method: str, *params: Any) -> Any:
        answer = self.post(xmlrpc.client.dumps(params, method, allow_none=True))
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/xml")
        return xmlrpc.client.loads(answer.content, use_builtin_types=True)[0][0]

    def fault(self, method: str, *params: Any) -> tuple[int, str]:
        with pytest.raises(xmlrpc.client.Fault) as caught:
            self.call(method, *params)
        return caught.value.faultCode, caught.value.faultString


@contextmanager
def client_of(served: Served) -> Iterator[Client]:
    """Give a client that asks for uncompressed JSON and follows no redirect."""
    with requests.Session() as session:
        session.headers.update(_PLAIN)
        yield Client(served, session)
