"""Makes a ``yanksync.toml`` in which every key is explained, for ``yanksync init``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping

from yanksync.config.keys import KEYS, SECTIONS, KeySpec

_WIDTH = 98
_HEAD = """\
# The configuration of a mirror, written by 'yanksync init'.
#
# A key behind "#" has its default: take the "#" away to change it. Paths are relative to this file.
# 'yanksync config check' and 'yanksync doctor' check what is written here.
"""
_STORAGE = """\
# Options of the object-storage client, for an output like s3://bucket/prefix: endpoint, region,
# access_key_id, secret_access_key, … Leave credentials out where the environment has them.
"""


def commented(values: Mapping[str, object]) -> str:
    """Return a file with ``values`` set, and all other keys commented out.

    :param values: by the path of the key, as TOML gives it: a text or a list of texts
    """
    parts = [_HEAD]
    for section in SECTIONS:
        parts.append(f"\n\n[{section}]\n")
        if section == "storage":
            parts.append(_STORAGE)
        keys = (key for key in KEYS.values() if key.path.startswith(f"{section}."))
        parts.append("\n".join(_lines(key, values) for key in keys))
    return "".join(parts)


def _lines(key: KeySpec, values: Mapping[str, object]) -> str:
    lines = textwrap.wrap(
        key.description, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False
    )
    name = key.path.partition(".")[2]
    if key.path in values:
        lines.append(f"{name} = {_toml(values[key.path])}")
    elif key.default is None:
        lines.append(f"#{name} = …")
    else:
        lines.append(f"#{name} = {_toml(key.default)}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Return a value, or a list of values, as TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
