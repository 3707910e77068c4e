"""Asks any Simple index about projects."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from yanksync.config.load import load
from yanksync.config.settings import Settings
from yanksync.core.errors import ConfigError, InvalidAnswer, UpstreamError
from yanksync.core.formats.parse import PageRules, parse_page
from yanksync.core.names import NormalizedName
from yanksync.core.urls import redacted
from yanksync.reports.audit.findings import ProjectFacts
from yanksync.upstream.client import UpstreamClient
from yanksync.upstream.likely_address import likely_address

# No file is fetched, so an unsafe address of a file can do no harm.
_RULES = PageRules(allow_http=True)


class _Wanted(Struct, frozen=True):
    name: NormalizedName
    etag: str | None = None


def index_settings(url: str, environ: Mapping[str, str], option: str = "--index") -> Settings:
    """Return the settings for asking an index without a configuration.

    ``option`` is where the user named it. Raises :class:`yanksync.core.errors.ConfigError` when
    ``url`` cannot be used.
    """
    # An empty file, so that a yanksync.toml in the current directory is not read.
    try:
        return load(Path(os.devnull), environ, upstream_simple_url=url)
    except ConfigError as error:
        first, *others = (_as_option(one, option) for one in error.all)
        raise ConfigError(first.key, first.where, first.problem, tuple(others)) from None


def _as_option(error: ConfigError, option: str) -> ConfigError:
    """Name the option where the key of its value is wrong."""
    key = option if error.key == "upstream.simple_url" else error.key
    return ConfigError(key, error.where, error.problem)


def facts_of_index(
    settings: Settings, names: Collection[NormalizedName], option: str | None = "--index"
) -> dict[NormalizedName, ProjectFacts]:
    """Return what the index of ``settings`` says about the projects ``names``.

    ``option`` is where the user named it; None: there may be no index at all. Raises
    :class:`yanksync.core.errors.UpstreamError` if an answer is missing or wrong.
    """
    found: dict[NormalizedName, ProjectFacts] = {}
    with closing(UpstreamClient(settings)) as client:
        for wanted, answer in client.pages(map(_Wanted, names), settings.upstream.workers):
            if isinstance(answer, UpstreamError):
                raise answer
            if isinstance(answer, int):
                found[wanted.name] = ProjectFacts(name=wanted.name, gone=True)
                continue
            page = parse_page(
                answer.body,
                answer.content_type,
                answer.url,
                wanted.name,
                _RULES,
                answer.header_serial,
            ).page
            found[wanted.name] = ProjectFacts(name=wanted.name, page=page)
        if option is not None and found and all(facts.gone for facts in found.values()):
            check_root(client, option)
    return found


def check_root(client: UpstreamClient, option: str) -> None:
    """Refuse an address that has no project.

    Such an address may be no index, which does not mean a removal (R7). ``option`` is where the
    user named it.
    """
    address = redacted(client.simple_url)
    if client.root_is_missing():
        raise InvalidAnswer(
            address,
            "there is no index: it answers 404, as for every project. "
            f"Correct {option}: it must be the address of a Simple API",
        )
    near = likely_address(client)
    if near is not None:
        raise InvalidAnswer(
            address,
            f"is no package index, and has none of the projects. Set {option} to {near}",
        )
