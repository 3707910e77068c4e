"""Renders the frame of both kinds of pages."""

from __future__ import annotations

from yanksync.core.formats.html.page_writer import encode_utf8, escape
from yanksync.core.withdrawals.web.text import visible

ASSETS = ("filter.js", "icon.svg", "pins.js", "withdrawals.css")
"""What is in ``assets/``, in this package and beside the index."""

INDEX_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
)
"""The Content-Security-Policy of the page with scripts."""

HEADER_POLICY = f"{INDEX_POLICY}; frame-ancestors 'none'"
"""What a web server says of all pages: a page alone cannot forbid frames."""

PROJECT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of pages without scripts."""


def render_shell(
    *, title: str, about: str, policy: str, up: str, feeds: str, scripts: str, body: str
) -> bytes:
    """Return a whole page.

    ``about`` is the text that programs show with a link to the page. ``up`` leads from its
    directory to that of the index. No address is absolute, so the page works from a directory, too.
    """
    return encode_utf8(f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<meta name="description" content="{escape(visible(about))}">
<title>{escape(visible(title))}</title>
<link rel="icon" href="{up}assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{up}assets/withdrawals.css">
{feeds}{scripts}</head>
<body>
{body}</body>
</html>
""")
