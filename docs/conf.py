"""Sphinx: ``scripts/docs`` builds the pages; whatever Sphinx warns of is an error."""

from __future__ import annotations

from yanksync import __version__

project = "yanksync"
author = "the yanksync authors"
project_copyright = "the yanksync authors"
version = release = __version__

extensions: list[str] = []
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "yanksync"
html_static_path = ["_static"]
nitpicky = True
