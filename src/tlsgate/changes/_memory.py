"""
What browsers will remember of each site, and therefore we do.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..settings import SiteMemory
from ..sites import Redirect, Site, Snapshot

__all__ = ["remember"]


def remember(
    memory: Mapping[str, SiteMemory], old: Snapshot | None, new: Snapshot, now: float
) -> dict[str, SiteMemory]:
    """
    The memory after a change.

    A redirect that differs begins a new soak.  While HSTS is on, the largest max-age ever sent grows; when it goes off,
    by a setting or because the site goes, C{max-age=0} is due for as long as that could live in a browser.

    @param memory: before the change.
    @param old: what served before, or C{None}.
    @param new: what is to serve, compiled with C{memory}.
    @param now: Unix time.
    """
    before = {} if old is None else {site.name: site for site in old.sites}
    after = {site.name: site for site in new.sites}
    return {
        name: remembered
        for name in {**memory, **before, **after}
        if (remembered := _remember(memory.get(name, SiteMemory()), before.get(name), after.get(name), now))
        != SiteMemory()
    }


def _remember(memory: SiteMemory, old: Site | None, new: Site | None, now: float) -> SiteMemory:
    if new is None:
        memory = attrs.evolve(memory, redirect_changed_at=0.0)
    elif _wish(None if old is None else old.redirect) != _wish(new.redirect):
        memory = attrs.evolve(memory, redirect_changed_at=now)
    if new is not None and new.hsts.enabled:
        largest = max(memory.hsts_largest, new.hsts.max_age)
        return attrs.evolve(memory, hsts_largest=largest, hsts_off_until=0.0)
    if old is not None and old.hsts.enabled:
        largest = max(memory.hsts_largest, old.hsts.max_age)
        return attrs.evolve(
            memory, hsts_largest=largest, hsts_off_until=now + largest, hsts_step=0, hsts_step_since=0.0
        )
    if memory.hsts_off_until <= now:
        # Every browser has forgotten by now.
        return attrs.evolve(memory, hsts_largest=0, hsts_off_until=0.0, hsts_step=0, hsts_step_since=0.0)
    return memory


def _wish(redirect: Redirect | None) -> Redirect:
    """
    A redirect without what is only remembered of it.
    """
    return attrs.evolve(redirect or Redirect(), changed_at=0.0)
