"""yanksync as another user than the one whose files it finds.

Started by root, as ``python other_user.py UID ARGUMENT...``: everything is imported first, for
root's Python may stand where nobody else can read.
"""

from __future__ import annotations

import encodings
import importlib
import os
import pkgutil
import secrets  # noqa: F401
import sys
import xml.parsers.expat  # noqa: F401
from contextlib import suppress

import isal.isal_zlib  # noqa: F401
import lxml.etree  # noqa: F401

import yanksync


def main() -> None:
    """Import, become the other user, and run the command line."""
    codecs = pkgutil.iter_modules(encodings.__path__, "encodings.")
    for module in (*codecs, *pkgutil.walk_packages(yanksync.__path__, "yanksync.")):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # what needs an extra that is not installed
                importlib.import_module(module.name)
    user = int(sys.argv.pop(1))
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    importlib.import_module("yanksync.cli").main()


if __name__ == "__main__":
    main()
