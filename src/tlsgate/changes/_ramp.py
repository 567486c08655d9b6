"""
The HSTS ramp: which sites may take their next step, and what holds the others.

A step is held C{ramp_hold} seconds.  The next one is taken only while nothing speaks against it: bindings that clients
reach at ports 80 and 443 (browsers rewrite http://host/ to https://host/, and keep any other port), and for each of the
site's names a certificate that is trusted, does not end soon and is not failing to be renewed, since HSTS makes every
error of a certificate final.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

import attrs

from ..policy import PRELOAD_MAX_AGE, hsts_value
from ..settings import Settings, SiteMemory, ramp_steps
from ..sites import Scheme, ServerCertificate, Site, Snapshot
from ._coverage import covering, first_https, is_valid, redirects

__all__ = ["HSTSState", "NextStep", "begin", "held_by", "hsts_state", "missing_for_preload", "step"]

#: A certificate that ends sooner is expiring, seconds; less for one that does not live three times as long.
EXPIRING: Final = 30 * 86400.0

Trusted = Callable[[ServerCertificate], bool]


@attrs.frozen(kw_only=True)
class NextStep:
    """
    Where a ramp goes next.

    @ivar due: Unix time from which the step may be taken.
    @ivar held_by: what keeps it from being taken then, as a sentence; empty for nothing.
    """

    max_age: int
    due: float
    held_by: str


@attrs.frozen(kw_only=True)
class HSTSState:
    """
    What a site tells browsers now, and what comes next.

    @ivar sends: the value of C{Strict-Transport-Security}; empty for none.
    @ivar largest: the largest max-age that a browser may still hold, seconds.
    @ivar off_until: while it is off, C{max-age=0} is sent until this Unix time; 0 if it is not.
    @ivar steps: of the ramp, seconds; empty without one.
    @ivar step: index of the present one.
    @ivar since: when that began, Unix time.
    @ivar next_step: C{None} without a ramp and at its end.
    @ivar preload_missing: what preload lacks, as sentences, whether it is asked for or not.
    """

    sends: str
    largest: int
    off_until: float
    steps: tuple[int, ...]
    step: int
    since: float
    next_step: NextStep | None
    preload_missing: tuple[str, ...]


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


def held_by(snapshot: Snapshot, site: Site, now: float, trusted: Trusted, failing: Collection[str] = ()) -> str:
    """
    What keeps a site from its next step, as a sentence; empty if nothing does.

    @param failing: names of certificates whose latest renewal failed.
    """
    return next(_hindrances(snapshot, site, now, trusted, failing), "")


def _hindrances(
    snapshot: Snapshot, site: Site, now: float, trusted: Trusted, failing: Collection[str]
) -> Iterator[str]:
    yield from _wrong_ports(snapshot)
    for host in site.hosts:
        good = [found for found in covering(snapshot, host) if is_valid(found, now) and trusted(found)]
        if not good:
            yield f"no valid and trusted certificate serves {host}"
            continue
        best = max(good, key=lambda found: found.not_after)
        if best.not_after - now < min(EXPIRING, (best.not_after - best.not_before) / 3):
            yield f"the certificate for {host} ends in {int((best.not_after - now) // 86400)} days"
        if best.name in failing:
            yield f"the renewal of certificate {best.name} is failing"


def _wrong_ports(snapshot: Snapshot) -> Iterator[str]:
    binding = first_https(snapshot)
    if binding is None:
        yield "there is no https binding"
    elif binding.public_port != 443:
        yield f"clients reach HTTPS at port {binding.public_port or 'unknown'}, not 443"
    for binding in snapshot.bindings:
        if binding.scheme is Scheme.HTTP and binding.public_port != 80:
            yield f"clients reach plain HTTP at port {binding.public_port or 'unknown'}, not 80"


def missing_for_preload(snapshot: Snapshot, site: Site, now: float, trusted: Trusted) -> tuple[str, ...]:
    """
    What keeps a site from the browsers' built-in lists, by the rules of hstspreload.org, as sentences.
    """
    missing = []
    if not site.hsts.enabled:
        missing.append("HSTS is off")
    if site.hsts.max_age < PRELOAD_MAX_AGE:
        missing.append(f"max_age is {site.hsts.max_age} now and must be {PRELOAD_MAX_AGE} or more")
    if not site.hsts.include_subdomains:
        missing.append("include_subdomains is off")
    if not site.hsts.preload:
        missing.append("preload is off")
    if not redirects(site):
        missing.append("plain HTTP is not redirected")
    missing.extend(_hindrances(snapshot, site, now, trusted, ()))
    return tuple(missing)


def hsts_state(  # noqa: PLR0917 - the arguments of step(), for one site
    name: str,
    memory: Mapping[str, SiteMemory],
    settings: Settings,
    snapshot: Snapshot,
    now: float,
    trusted: Trusted,
    failing: Collection[str] = (),
) -> HSTSState:
    """
    What a site tells browsers now, and what comes next; other parameters as L{step}.

    @param name: of a site that is served.
    """
    wanted = next(site for site in settings.sites if site.name == name)
    site = next(site for site in snapshot.sites if site.name == name)
    kept = memory.get(name, SiteMemory())
    off_until = 0.0 if site.hsts.enabled or kept.hsts_off_until <= now else kept.hsts_off_until
    steps: tuple[int, ...] = ()
    next_step = None
    if wanted.hsts.enabled and wanted.hsts.ramp:
        steps = ramp_steps(wanted.hsts.max_age)
        if kept.hsts_step < len(steps) - 1:
            next_step = NextStep(
                max_age=steps[kept.hsts_step + 1],
                due=kept.hsts_step_since + wanted.hsts.ramp_hold,
                held_by=held_by(snapshot, site, now, trusted, failing),
            )
    return HSTSState(
        sends=hsts_value(site.hsts, now).decode("ascii"),
        largest=kept.hsts_largest if site.hsts.enabled or off_until else 0,
        off_until=off_until,
        steps=steps,
        step=min(kept.hsts_step, len(steps) - 1) if steps else 0,
        since=kept.hsts_step_since if steps else 0.0,
        next_step=next_step,
        preload_missing=missing_for_preload(snapshot, site, now, trusted),
    )


def step(  # noqa: PLR0917 - what is remembered and wanted, what is served, and how the world is now
    memory: Mapping[str, SiteMemory],
    settings: Settings,
    snapshot: Snapshot,
    now: float,
    trusted: Trusted,
    failing: Collection[str] = (),
) -> tuple[dict[str, SiteMemory], list[str]]:
    """
    Take the next step at every site where it is due and nothing holds it.

    @param failing: names of certificates whose latest renewal failed.

    @return: the new memory, and a sentence for each step taken.
    """
    stepped = dict(memory)
    told: list[str] = []
    for wanted in settings.sites:
        kept = memory.get(wanted.name, SiteMemory())
        if not (wanted.hsts.enabled and wanted.hsts.ramp and kept.hsts_step_since):
            continue
        following = hsts_state(wanted.name, memory, settings, snapshot, now, trusted, failing).next_step
        if following is None or now < following.due or following.held_by:
            continue
        stepped[wanted.name] = attrs.evolve(kept, hsts_step=kept.hsts_step + 1, hsts_step_since=now)
        told.append(f"HSTS of site {wanted.name} steps up to max-age={following.max_age}.")
    return stepped, told
