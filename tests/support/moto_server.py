"""Run moto on a port of loopback: ``python -m tests.support.moto_server PORT``.

Its own program answers several requests at once, though moto's objects are made for one thread: a
list of a bucket fails with 500 while something is deleted.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterable

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple

_one_at_a_time = threading.Lock()
_moto = DomainDispatcherApplication(create_backend_app)


def answer(environ: dict[str, object], start_response: object) -> Iterable[bytes]:
    """Answer a WSGI request when no other is being answered."""
    stream = environ["wsgi.input"]
    assert isinstance(stream, io.IOBase)
    length = environ.get("CONTENT_LENGTH")
    if length or environ.get("wsgi.input_terminated"):  # its parts come without a length
        body = stream.read(int(str(length or -1)))
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    with _one_at_a_time:
        return list(_moto(environ, start_response))


if __name__ == "__main__":
    run_simple(
        "127.0.0.1",
        int(sys.argv[1]),
        answer,
        threaded=True,
        request_handler=MotoRequestHandler,
    )
