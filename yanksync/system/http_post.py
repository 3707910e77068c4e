"""Sends short messages over HTTP, each with a hard time limit.

This is not for upstream. The operator chose the receiver, and only the status of the answer is
read. A receiver that hangs, sends byte by byte or redirects must not delay a pass.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

import requests

from yanksync import __version__
from yanksync.core.errors import DeliveryError
from yanksync.core.urls import credentials

log = logging.getLogger("yanksync")

_TRIES = 3
_PAUSE = 1.0  # seconds; doubled with each try
_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))


class NoRedirectSession(requests.Session):
    """A session that ignores redirects.

    requests reads the whole body of a redirect to prepare the next request, even if it must not
    follow it. An endless body would fill the memory.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: no response leads elsewhere."""


class PostThread(threading.Thread):
    """One attempt in a daemon thread.

    So the program can always end, even if a receiver never answers.
    """

    def __init__(self, url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> None:
        super().__init__(name="tell", daemon=True)
        self._url = url
        self._body = body
        self._headers = {"User-Agent": f"yanksync/{__version__}", **headers}
        self._seconds = seconds
        self.problem: str | None = f"no answer within {seconds:.3g} s"
        self.passing = False  #: True: it makes sense to try again at once

    def run(self) -> None:
        """Send the message, and note the result."""
        try:
            with NoRedirectSession() as session:
                # Credentials in this address have priority over those in .netrc.
                if named := credentials(self._url):
                    session.auth = named
                elif any(name.lower() == "authorization" for name in self._headers):
                    session.auth = no_auth
                answer = session.post(
                    self._url,
                    data=self._body,
                    headers=self._headers,
                    timeout=self._seconds,
                    allow_redirects=False,  # the message is only for the named receiver
                    stream=True,  # the body is not needed, and may be endless
                )
                answer.close()
        except requests.Timeout:
            return
        except (requests.RequestException, OSError) as error:
            self.passing = True
            self.problem = _kind(error)
            return
        except Exception as error:  # the libraries below raise it for impossible addresses
            self.problem = _kind(error)
            return
        self.passing = answer.status_code in _AGAIN
        self.problem = (
            None if answer.ok and answer.status_code < 300 else f"answered {answer.status_code}"
        )


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return ``request`` as it is.

    As the ``auth`` of requests it keeps .netrc out.
    """
    return request


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    seconds: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send ``body``; return when an answer with 2xx came.

    After a broken connection, or a status that may be temporary, this tries again: three times in
    all, with pauses of one and two seconds. All tries together take ``seconds`` at most. Raises
    :class:`DeliveryError`.
    """
    until, problem = time.monotonic() + seconds, None
    for attempt in range(_TRIES):
        pause = _PAUSE * 2 ** (attempt - 1) if attempt else 0.0
        left = until - time.monotonic() - pause
        if attempt and left <= 0:
            break
        if attempt:
            log.debug("a notice by POST: %s; sent again in %g s", problem, pause)
            sleep(pause)
        sending = PostThread(url, body, headers, left)
        sending.start()
        sending.join(left)  # a slow name server and slow headers count, too
        problem = sending.problem
        if problem is None:
            return
        if not sending.passing:
            break
    raise DeliveryError(problem)


def _kind(error: Exception) -> str:
    """Return what went wrong, without the address."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate or TLS is not right"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refuses"
    if isinstance(error, requests.ConnectionError):
        return "the connection fails"
    return f"cannot be sent ({type(error).__name__})"
