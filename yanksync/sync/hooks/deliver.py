"""Sends published changes to the configured hooks.

Each hook gets them in batches, oldest first. Changes that it has accepted are removed from its
queue. After its first failure a hook is not called again in this pass; its queue waits for the next
pass. After a minute no hook is called again.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from yanksync.core import layout
from yanksync.core.errors import DeliveryError
from yanksync.mirror.context import Mirror, log
from yanksync.state.project_rows import copies_in
from yanksync.sync.hooks import manifest

CHUNK = 250
"""Projects that a hook gets at once: a thousand addresses."""

EVERYTHING_ABOVE = 10_000
"""Above so many changes a hook gets one address that stands for all. A first build has three
million addresses, and a whole cache is purged sooner than these one by one."""

EVERYTHING = f"{layout.ROOT}/*"
"""Stands for every path there is."""

_LONGEST = 60.0  # seconds after which a pass begins no more batches of a hook
_FORMS = ("", layout.HTML.filename, layout.V1_HTML.filename, layout.V1_JSON.filename)


def deliver(mirror: Mirror, *, mid_pass: bool = False) -> None:
    """Send each hook its changes, and count what is left.

    ``mid_pass`` means that the pass goes on, so its manifest must wait. Raises
    :class:`yanksync.core.errors.StateError`.
    """
    outbox, names = mirror.state.hook_queue, mirror.settings.hooks.enabled
    if mid_pass and mirror.state.facts.published_list.written is None:
        return  # a first build: no cache has anything of it yet
    waiting = outbox.counts()
    if not waiting:
        return
    outbox.keep_only(names)
    for name in names:
        if name in waiting and not mirror.stopping() and not (mid_pass and name == "manifest"):
            deliver_one = partial(_HOOKS[name], mirror, waiting[name])
            report_delivery(mirror, f"hooks.{name}", name, deliver_one)
    mirror.totals.undelivered = sum(outbox.counts().values())


def report_delivery(mirror: Mirror, label: str, key: str, deliver: Callable[[], None]) -> None:
    """Deliver, and report a failure.

    It is logged if it is new, and kept for ``status``.
    """
    fact = f"undelivered_{key}"
    before = mirror.state.facts.text(fact)
    try:
        deliver()
    except DeliveryError as error:
        why = str(error)
        mirror.totals.causes[error.cause] += 1
        left = "what it was to be told is kept for the next pass"
        level = logging.DEBUG if why == before else logging.ERROR  # a service logs it once
        log.log(level, "%s: %s; %s", label, why, left)
        if why != before:
            mirror.state.facts.put(**{fact: why})
    else:
        if before is not None:
            log.info("%s: takes what it is told again", label)
            mirror.state.facts.put(**{fact: None})


def _run_command(mirror: Mirror, count: int) -> None:
    from yanksync.sync.hooks.environment import hook_environment
    from yanksync.system.child_process import run_child

    settings = mirror.settings.hooks
    for projects in _chunks(mirror, "command", count):
        run_child(
            settings.command, _paths(projects), settings.timeout, hook_environment(os.environ)
        )


def _call_webhook(mirror: Mirror, count: int) -> None:
    from yanksync.system.http_post import post

    settings = mirror.settings.hooks
    headers = {"Content-Type": "application/json"}
    if settings.webhook_header is not None:
        name, _, value = settings.webhook_header.partition(": ")
        headers[name] = value
    assert settings.webhook is not None
    for projects in _chunks(mirror, "webhook", count):
        body = json.dumps(webhook_message(projects, mirror.state.facts.cursor)).encode()
        post(settings.webhook, body, headers, settings.timeout, sleep=mirror.sleep)


def webhook_message(projects: Sequence[str] | None, serial: int | None) -> dict[str, object]:
    """Return the body of a webhook about ``projects``; None: about everything."""
    named = [] if projects is None else [name for name in projects if name != layout.LIST_KEY]
    return {
        "event": "changed",
        "serial": serial,
        "all": projects is None,
        "list": projects is None or layout.LIST_KEY in projects,
        "projects": named,
        "paths": list(_paths(projects)),
    }


def _write_manifest(mirror: Mirror, count: int) -> None:
    settings, outbox = mirror.settings.hooks, mirror.state.hook_queue
    assert settings.manifest is not None
    legacy = mirror.settings.mirror.legacy_json
    written = mirror.state.facts.published_list.copies
    if written is None:  # by an older release: a copy of each form
        written = " ".join(mirror.settings.mirror.compress)
    copies = copies_in(written, legacy=legacy)
    changes = outbox.changes("manifest", copies, list_legacy=legacy)
    try:
        manifest.write_manifest(
            settings.manifest, mirror.run, mirror.now(), manifest.lines(changes)
        )
        outbox.taken("manifest")
        manifest.tidy(settings.manifest, mirror.now() - settings.manifest_keep)
    except OSError as error:
        raise DeliveryError(f"{settings.manifest}: {error.strerror or error}") from None


_HOOKS: dict[str, Callable[[Mirror, int], None]] = {
    "command": _run_command,
    "webhook": _call_webhook,
    "manifest": _write_manifest,
}


def _chunks(mirror: Mirror, name: str, count: int) -> Iterator[Sequence[str] | None]:
    """Yield what to send to a hook; None: everything.

    When the caller asks for the next one, the hook has accepted it.
    """
    outbox = mirror.state.hook_queue
    if count > EVERYTHING_ABOVE:
        yield None
        outbox.taken(name)
        return
    until = mirror.monotonic() + _LONGEST
    while not mirror.stopping():
        projects, upto = outbox.take(name, CHUNK)
        if not projects:
            return
        yield projects
        log.debug("hooks.%s: %d projects are delivered", name, len(projects))
        outbox.taken(name, upto)
        if mirror.monotonic() > until:
            log.info("hooks.%s: the rest is for the next pass", name)
            return


def _paths(projects: Sequence[str] | None) -> Iterator[str]:
    """Yield the addresses of ``projects``, in every form.

    Compressed copies are left out, because clients do not ask for them by name.
    """
    if projects is None:
        yield EVERYTHING
        return
    for project in projects:
        base = layout.directory(project or None)
        yield from (f"{base}/{form}" for form in _FORMS)
