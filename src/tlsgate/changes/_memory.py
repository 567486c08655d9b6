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

    A redirect that differs from the remembered one begins a new soak; a restart does not.  While HSTS is on, the largest
    max-age ever sent grows; when it goes off, by a setting or because the site goes, C{max-age=0} is due for as long as
    that could live in a browser.

    @param memory: before the change.
    @param old: what served before, or C{None} after a start: then C{memory} itself tells what browsers know.
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
    redirect = "" if new is None else _text(new.redirect)
    if redirect != memory.redirect:
        memory = attrs.evolve(memory, redirect=redirect, redirect_changed_at=0.0 if new is None else now)
    if new is not None and new.hsts.enabled:
        largest = max(memory.hsts_largest, new.hsts.max_age)
        return attrs.evolve(memory, hsts_largest=largest, hsts_off_until=0.0)
    # After a start nothing but the memory knows that HSTS was on: it may have been an option that is gone.
    was_on = old.hsts.enabled if old is not None else bool(memory.hsts_largest and not memory.hsts_off_until)
    if was_on:
        largest = max(memory.hsts_largest, 0 if old is None else old.hsts.max_age)
        return attrs.evolve(
            memory, hsts_largest=largest, hsts_off_until=now + largest, hsts_step=0, hsts_step_since=0.0
        )
    if memory.hsts_off_until <= now:
        # Every browser has forgotten by now.
        return attrs.evolve(memory, hsts_largest=0, hsts_off_until=0.0, hsts_step=0, hsts_step_since=0.0)
    return memory


def _text(redirect: Redirect) -> str:
    """
    A redirect without what is only remembered of it; empty for the default.
    """
    if attrs.evolve(redirect, changed_at=0.0) == Redirect():
        return ""
    exempt = [*(path.decode("latin-1") for path in redirect.exempt_paths), *map(str, redirect.exempt_networks)]
    return " ".join([redirect.mode.value, str(redirect.status), str(redirect.soak), *exempt])
