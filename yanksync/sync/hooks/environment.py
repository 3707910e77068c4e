"""Makes the environment of a hook's command, without secrets.

Only secrets of yanksync are removed, because a hook needs ``PATH``, a proxy and its own secrets,
and no list could name them all (docs/design/decisions/operation.rst#decision-hooks). So a command
that prints its environment shows no credentials of upstream or of the output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from yanksync.core.urls import redacted
from yanksync.output.object_storage.client import may_be_shown

_STORAGE = "YANKSYNC_STORAGE_"
_SECRET = frozenset({"YANKSYNC_HOOKS_WEBHOOK", "YANKSYNC_HOOKS_WEBHOOK_HEADER"}) | {
    "YANKSYNC_HEALTH_PING",
    "IDENTITY_HEADER",  # Azure's machines use it to get a token
}
_ADDRESSES = ("YANKSYNC_", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")  # the default is pip's
_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_")  # the client of object storage reads these
_WORDS = re.compile(r"_(?:KEY|SECRET|TOKEN|PASSWORD|SAS|CONNECTION_STRING)(?:_(?!FILE$|PATH$)|$)")


def hook_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return ``environ`` without the variables that hold secrets of yanksync."""
    return {name: value for name, value in environ.items() if not _is_secret(name.upper(), value)}


def _is_secret(name: str, value: str) -> bool:
    if name in _SECRET or (name.startswith(_ADDRESSES) and redacted(value) != value):
        return True
    if name.startswith(_STORAGE):
        return not may_be_shown(name.removeprefix(_STORAGE).lower())
    return name.startswith(_CLOUDS) and _WORDS.search(name) is not None
