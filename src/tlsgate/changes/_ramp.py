"""
The HSTS ramp: which sites may take their next step, and what holds the others.

A step is held C{ramp_hold} seconds.  The next one is taken only while nothing speaks against it: an https binding that
clients reach at port 443 (browsers rewrite http://host/ to that port), and for each of the site's names a certificate
that is trusted and has two weeks left, so that no renewal is failing when HSTS makes errors final.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from ..settings import Settings, SiteMemory, ramp_steps
from ..sites import ServerCertificate, Site, Snapshot
from ._coverage import covering, first_https, is_valid

__all__ = ["RENEWAL_MARGIN", "begin", "held_by", "step"]

RENEWAL_MARGIN: Final = 14 * 86400.0

Trusted = Callable[[ServerCertificate], bool]


def begin(memory: Mapping[str, SiteMemory], settings: Settings, now: float) -> dict[str, SiteMemory]:
    """
    The memory with a first step for each site whose ramp has just begun, and none for those without a ramp.
    """
    begun = dict(memory)
    for site in settings.sites:
        kept = begun.get(site.name, SiteMemory())
        if site.hsts.enabled and site.hsts.ramp:
            if not kept.hsts_step_since:
                begun[site.name] = attrs.evolve(kept, hsts_step=0, hsts_step_since=now)
        elif kept.hsts_step_since:
            begun[site.name] = attrs.evolve(kept, hsts_step=0, hsts_step_since=0.0)
    return begun


def held_by(snapshot: Snapshot, site: Site, now: float, trusted: Trusted) -> str:
    """
    What keeps a site from its next step, as a sentence; empty if nothing does.
    """
    binding = first_https(snapshot)
    if binding is None:
        return "there is no https binding"
    if binding.public_port != 443:
        return f"clients reach HTTPS at port {binding.public_port}, not 443"
    for host in site.hosts:
        good = [found for found in covering(snapshot, host) if is_valid(found, now) and trusted(found)]
        if not good:
            return f"no valid and trusted certificate serves {host}"
        if max(found.not_after for found in good) - now < RENEWAL_MARGIN:
            return f"the certificate for {host} ends in less than 14 days"
    return ""


def step(
    memory: Mapping[str, SiteMemory], settings: Settings, snapshot: Snapshot, now: float, trusted: Trusted
) -> tuple[dict[str, SiteMemory], list[str]]:
    """
    Take the next step at every site where it is due and nothing holds it.

    @return: the new memory, and a sentence for each step taken.
    """
    stepped = dict(memory)
    told: list[str] = []
    sites = {site.name: site for site in snapshot.sites}
    for wanted in settings.sites:
        kept = memory.get(wanted.name, SiteMemory())
        if not (wanted.hsts.enabled and wanted.hsts.ramp and kept.hsts_step_since):
            continue
        # A clock that was set back must not hold a step longer than anybody asked for.
        since = min(kept.hsts_step_since, now)
        steps = ramp_steps(wanted.hsts.max_age)
        goal_reached = kept.hsts_step >= len(steps) - 1
        if goal_reached or now - since < wanted.hsts.ramp_hold or held_by(snapshot, sites[wanted.name], now, trusted):
            continue
        stepped[wanted.name] = attrs.evolve(kept, hsts_step=kept.hsts_step + 1, hsts_step_since=now)
        told.append(f"HSTS of site {wanted.name} steps up to max-age={steps[kept.hsts_step + 1]}.")
    return stepped, told
