"""The rules that a pass renders with.

The rules are the configured ones, or those that an earlier pass recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import msgspec
from msgspec import Struct

from yanksync.core.model import Page
from yanksync.core.policies.cooldown import UNKNOWN_TIMES, Cooldown, FileTimes
from yanksync.core.policies.offer import Offer, OfferRules, offer
from yanksync.core.policies.overrides import Advisory, Override
from yanksync.output.digests import digest_of
from yanksync.state.facts import Facts

Advisories = Mapping[str, tuple[Advisory, ...]]
"""Advisories about malware, by normalised name."""


class OfferKeys(Struct, frozen=True):
    """The configured rules, without advisories."""

    cooldown: Cooldown = Cooldown()
    overrides: tuple[Override, ...] = ()

    def only(self, override: Override) -> OfferKeys:
        """Return rules with only this override."""
        return OfferKeys(overrides=(override,))


class Offers:
    """Decides what is offered of each page, at one cut-off.

    Advisories are read when they are needed.
    """

    def __init__(
        self,
        keys: OfferKeys | None = None,
        cutoff: float = 0.0,
        advisories: Callable[[], Advisories] | None = None,
        before: Offers | None = None,
    ) -> None:
        """``advisories``: a function, or None. ``before``: the rules until now."""
        self.keys = keys = keys or OfferKeys()
        self.cutoff = cutoff
        self._published_cutoff = cutoff  # of the pass that published the present pages
        self.before = before
        self._advisories = advisories
        self.has_advisories = advisories is not None
        self.is_off = keys.cooldown.is_off and not keys.overrides and advisories is None

    @cached_property
    def rules(self) -> OfferRules:
        """All rules.

        The first use reads the state, so it must be in the thread of the state.
        """
        advisories = {} if self._advisories is None else self._advisories()
        return OfferRules(
            cooldown=self.keys.cooldown, overrides=self.keys.overrides, advisories=advisories
        )

    def offer(self, page: Page, times: FileTimes = UNKNOWN_TIMES) -> Offer:
        """Return what is offered of ``page``."""
        return Offer(page) if self.is_off else offer(page, self.rules, times, self.cutoff)

    def hidden(self, page: Page, times: FileTimes) -> set[str]:
        """Return the names of the files of ``page`` that are not offered."""
        return {one.file.filename for one in self.offer(page, times).rulings if one.hidden}

    @property
    def published(self) -> Offers:
        """The offers at the start of this pass.

        They follow the rules and the cut-off of the last pass.
        """
        return self.before or self.at(self._published_cutoff)

    def at(self, cutoff: float) -> Offers:
        """Return the same rules at another cut-off."""
        found = Offers(self.keys, cutoff, self._advisories, self.before)
        found._published_cutoff = self._published_cutoff
        if "rules" in vars(self):
            vars(found)["rules"] = self.rules
        return found


NOTHING_HIDDEN = Offers()
"""Without rules."""


def digest_of_rules(keys: OfferKeys, advisories: str | None) -> str | None:
    """Return the text of the rules; None: there are none.

    ``advisories`` is the digest of the advisories; None: there are none.
    """
    if keys == OfferKeys() and advisories is None:
        return None
    return digest_of((msgspec.json.encode(keys), (advisories or "").encode())).hex()


def recorded_offers(facts: Facts) -> Offers:
    """Return the rules, and the cut-off, that the newest pass recorded."""
    cutoff, text = facts.moment("cutoff"), facts.text("offer_keys")
    if text is None or cutoff is None:
        return NOTHING_HIDDEN
    keys = msgspec.json.decode(text, type=OfferKeys)
    has_advisories = facts.advisories.digest is not None
    return Offers(keys, cutoff, (lambda: recorded_advisories(facts)) if has_advisories else None)


def recorded_advisories(facts: Facts) -> Advisories:
    """Return the advisories that the newest pass recorded."""
    text = facts.text("advisories")
    if text is None:
        return {}
    return msgspec.json.decode(text, type=dict[str, tuple[Advisory, ...]])
