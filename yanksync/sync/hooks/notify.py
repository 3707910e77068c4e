"""Sends events of withdrawals to ``[[withdrawals.notify]]`` targets.

Each target has its own position in the log, which moves when the target has accepted a batch. So
each event is sent once or more, in order, and a failing target does not delay others.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec.structs import replace

from yanksync.config.settings import NotifyFormat, NotifyTarget
from yanksync.core.model import HistoryAction
from yanksync.core.withdrawals.event import WithdrawalEvent, encode_event
from yanksync.core.withdrawals.messages import chat_text, messages_text, summary
from yanksync.mirror.context import Mirror, log
from yanksync.state.queues.notifications import NotifyPosition
from yanksync.sync.hooks.deliver import report_delivery

_READ = 500  # events that are read at once
_BATCH = {NotifyFormat.JSON: 250, NotifyFormat.CHAT: 10}
_MOST_LINES = 100  # more events than this are one sentence in a chat
_COUNTED = 10_000  # waiting events that ``status`` counts
_LONGEST = 60.0  # seconds after which a pass begins no more batches of a target


def notify(mirror: Mirror) -> None:
    """Send each target the events that it does not have yet.

    Events that are left are counted. Raises :class:`yanksync.core.errors.StateError`.
    """
    queue, targets = mirror.state.notify_queue, mirror.settings.withdrawals.notify
    epoch = mirror.state.facts.event_log.epoch
    for gone in queue.keep_only([target.name for target in targets]):
        mirror.state.facts.put(**{f"undelivered_notify {gone}": None})
    if epoch is None:
        return  # no pass has begun the log yet
    for target in targets:
        if not mirror.stopping():
            _notify(mirror, target, epoch)
    mirror.totals.undelivered += sum(queue.counts().values())


def _notify(mirror: Mirror, target: NotifyTarget, epoch: int) -> None:
    newest, known = mirror.state.event_log.newest(), mirror.state.notify_queue.position(target.name)
    if known is None or known.epoch != epoch:
        if known is not None:
            log.warning(
                "%s: the log of withdrawals was begun again; what it had not got is lost, and it "
                "gets what happens from now on",
                label_of(target),
            )
        mirror.state.notify_queue.set(target.name, NotifyPosition(epoch, newest))
    elif known.cursor < newest:
        delivery = _Delivery(mirror, target, known, newest)
        report_delivery(mirror, label_of(target), target.key, delivery.run)


def label_of(target: NotifyTarget) -> str:
    """Return the name of a target for the log."""
    return f"withdrawals.{target.key}"


class _Delivery:
    """The delivery to one target in one pass."""

    def __init__(
        self, mirror: Mirror, target: NotifyTarget, position: NotifyPosition, newest: int
    ) -> None:
        self._mirror = mirror
        self._target = target
        self._position = replace(position, waiting=0)
        self._newest = newest

    def run(self) -> None:
        """Send batch after batch.

        Raises :class:`yanksync.core.errors.DeliveryError`.
        """
        until = self._mirror.monotonic() + _LONGEST
        try:
            if self._target.format is NotifyFormat.CHAT and self._send_summary():
                return
            for batch, upto in self._batches():
                if self._mirror.stopping() or self._mirror.monotonic() > until:
                    log.info("%s: the rest is for the next pass", label_of(self._target))
                    break
                if batch:
                    self._send(batch)
                self._advance(upto)
        finally:
            self._count_waiting()

    def _send_summary(self) -> bool:
        """Send one sentence if there are too many events for lines.

        Return whether it was sent.
        """
        if len(list(islice(self._wanted(), _MOST_LINES + 1))) <= _MOST_LINES:
            return False
        actions: Counter[HistoryAction] = Counter()
        projects = set()
        for event in self._wanted():
            actions[event.action] += 1
            projects.add(event.project)
        self._send_text(summary(self._title, actions, len(projects)))
        self._advance(self._newest)
        return True

    def _wanted(self) -> Iterator[WithdrawalEvent]:
        events = self._mirror.state.event_log.after(self._position.cursor)
        return filter(self._is_wanted, events)

    def _is_wanted(self, event: WithdrawalEvent) -> bool:
        """Return whether the target gets an event.

        Events from before the log began are not sent.
        """
        is_news = event.logged > self._position.epoch
        return is_news and self._target.wants(event.project, event.action)

    def _batches(self) -> Iterator[tuple[list[WithdrawalEvent], int]]:
        """Yield each batch, and the target's position after it."""
        size = _BATCH[self._target.format]
        while self._position.cursor < self._newest:
            read = list(self._mirror.state.event_log.after(self._position.cursor, _READ))
            wanted = list(filter(self._is_wanted, read))
            for start in range(0, len(wanted), size):
                batch = wanted[start : start + size]
                yield batch, batch[-1].cursor
            yield [], read[-1].cursor if read else self._newest

    @property
    def _title(self) -> str:
        return self._mirror.settings.withdrawals.title

    def _send(self, events: Sequence[WithdrawalEvent]) -> None:
        target = self._target
        if target.format is NotifyFormat.CHAT:
            text = chat_text if target.webhook is not None else messages_text
            self._send_text(text(self._title, events))
        elif target.webhook is not None:
            self._post(
                {
                    "event": "withdrawals",
                    "epoch": self._position.epoch,
                    "events": [json.loads(encode_event(event)) for event in events],
                }
            )
        else:
            self._run(map(encode_event, events))

    def _send_text(self, text: str) -> None:
        if self._target.webhook is not None:
            self._post({"text": text})
        else:
            self._run(text.splitlines())

    def _post(self, message: dict[str, object]) -> None:
        from yanksync.system.http_post import post  # start-up: most passes send nothing

        target = self._target
        headers = {"Content-Type": "application/json"}
        if target.webhook_header is not None:
            name, _, value = target.webhook_header.partition(": ")
            headers[name] = value
        seconds = self._mirror.settings.hooks.timeout
        assert target.webhook is not None
        body = json.dumps(message).encode()
        post(target.webhook, body, headers, seconds, sleep=self._mirror.sleep)

    def _run(self, lines: Iterator[str] | Sequence[str]) -> None:
        from yanksync.sync.hooks.environment import hook_environment
        from yanksync.system.child_process import run_child

        seconds = self._mirror.settings.hooks.timeout
        run_child(self._target.command, lines, seconds, hook_environment(os.environ))

    def _advance(self, cursor: int) -> None:
        self._position = replace(self._position, cursor=cursor)
        self._mirror.state.notify_queue.set(self._target.name, self._position)

    def _count_waiting(self) -> None:
        waiting = sum(1 for _ in islice(self._wanted(), _COUNTED))
        self._position = replace(self._position, waiting=waiting)
        self._mirror.state.notify_queue.set(self._target.name, self._position)
