"""Messages to a receiver that may be broken: what is tried again, and what is said of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_receiver import Receiver, receiver
from yanksync.core.errors import DeliveryError
from yanksync.system.http_post import post


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as inbox:
        yield inbox


def send(url: str, seconds: float = 60.0) -> list[float]:
    """Send something; return the pauses that were made."""
    slept: list[float] = []
    post(url, b"news", {"X-Token": "secret"}, seconds, sleep=slept.append)
    return slept


def test_a_message_arrives_once(inbox: Receiver) -> None:
    assert send(inbox.url + "in?a=b") == []
    (told,) = inbox.told
    assert (told.path, told.body, told.headers["x-token"]) == ("/in?a=b", b"news", "secret")
    assert told.headers["user-agent"].startswith("yanksync/")


def test_a_given_authorization_is_the_one_that_is_sent(
    inbox: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    post(inbox.url, b"", {"Authorization": "Bearer secret"}, 20.0)
    assert inbox.told[0].headers["authorization"] == "Bearer secret"
    post(inbox.url.replace("//", "//me:secret@"), b"", {}, 20.0)
    assert inbox.told[1].headers["authorization"] == "Basic bWU6c2VjcmV0"
    post(inbox.url.replace("//", "//token@"), b"", {}, 20.0)
    assert inbox.told[2].headers["authorization"] == "Basic dG9rZW46"


@pytest.mark.parametrize("mood", [500, 503, 429, "reset"])
def test_what_may_pass_is_tried_again(inbox: Receiver, mood: int | str) -> None:
    inbox.moods.extend([mood, mood])
    assert send(inbox.url) == [1.0, 2.0]
    assert len(inbox.told) == 3 and len(inbox.taken) == 1


@pytest.mark.parametrize(
    ("mood", "tries", "problem"),
    [
        (500, 3, "answered 500"),
        ("reset", 3, "the connection fails"),
        (404, 1, "answered 404"),
        (302, 1, "answered 302"),
        ("hang", 1, "no answer within 0.5 s"),
        ("drip", 1, "no answer within 0.5 s"),
    ],
)
def test_what_does_not_arrive_is_told(
    inbox: Receiver, mood: int | str, tries: int, problem: str
) -> None:
    inbox.always = mood
    with pytest.raises(DeliveryError) as caught:
        send(inbox.url + "secret", 0.5 if problem.startswith("no answer") else 20.0)
    assert str(caught.value) == problem  # and not where
    assert inbox.paths == ["/secret"] * tries  # a redirect is not followed
    assert inbox.taken == []


def test_all_attempts_share_the_time(inbox: Receiver) -> None:
    inbox.always = 500
    with pytest.raises(DeliveryError, match=r"^answered 500$"):
        send(inbox.url, 2.0)  # a pause of one second fits, one of two does not
    assert len(inbox.told) <= 2  # a slow machine may have no time for the second either


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".example", "me:s\u2603cret@127.0.0.1:9"])
def test_an_address_that_nobody_can_have(host: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeliveryError, match=r"^cannot be sent \([A-Za-z]+\)$"):
        send(f"https://{host}/secret")
    assert capfd.readouterr().err == ""  # no thread has died


def test_nobody_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DeliveryError, match=r"^the connection fails$"):
        send(f"http://127.0.0.1:{port}/secret")
