"""The real pip, without the time that its imports take."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.fork_server.start import Options, Start

_PATIENCE = 60.0  # seconds that it gets


def run_pip(
    *arguments: str, where: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run ``pip ARGUMENTS`` to its end.

    pip chooses its cache when it is imported, before it has ``environ``. So it gets the cache below
    the home of ``environ`` as an option.
    """
    ours = {"PIP_CACHE_DIR": f"{environ['HOME']}/.cache/pip", **environ}
    process = Start(arguments, where, ours, Options(program="pip")).piped()
    out, err = process.communicate(timeout=_PATIENCE)
    return subprocess.CompletedProcess(["pip", *arguments], process.wait(), out, err)
