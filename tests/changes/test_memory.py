"""
What browsers remember, and therefore the gate.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.changes._memory import remember
from tlsgate.policy import hsts_value
from tlsgate.settings import Pins
from tlsgate.sites import HSTS, Redirect, RedirectMode, Site, Snapshot

NOW = 1_800_000_000.0
NO_REDIRECT = Redirect()
NO_HSTS = HSTS()


def snapshot(*, redirect: Redirect = NO_REDIRECT, hsts: HSTS = NO_HSTS, sites: int = 1) -> Snapshot:
    site = Site(name="default", hosts=("*",), upstream="app", redirect=redirect, hsts=hsts)
    return Snapshot(generation=1, sites=(site,) * sites)


@pytest.mark.parametrize(
    "changed",
    [
        {"mode": RedirectMode.BROWSERS},
        {"status": 302},
        {"soak": 1.0},
        {"exempt_paths": (b"/x",)},
    ],
)
def test_any_change_of_the_redirect_begins_the_soak_again(changed: dict[str, Any]) -> None:
    """
    Whatever of a redirect differs begins its soak again; the same one, after a restart too, does not.
    """
    redirect = Redirect(mode=RedirectMode.ALL)
    memory = remember({}, None, snapshot(redirect=redirect), NOW)
    assert memory["default"].redirect_changed_at == NOW
    assert remember(memory, None, snapshot(redirect=redirect), NOW + 5) == memory
    again = remember(memory, None, snapshot(redirect=attrs.evolve(redirect, **changed)), NOW + 9)
    assert again["default"].redirect_changed_at == NOW + 9


def test_restart_does_not_restart_the_soak(lab: Any) -> None:
    """
    A restart goes on with the soak where it was, so that it ends.
    """
    lab.apply(lab.site(redirect={"mode": "all"}))
    changed_at = lab.plane.snapshot.sites[0].redirect.changed_at
    lab.advance(1000)
    lab.restart()
    assert lab.plane.snapshot.sites[0].redirect.changed_at == changed_at


def pinned(**site: Any) -> Pins:
    """
    What C{--config} holds fast of a site.
    """
    return Pins.of({"site": [{"name": "default", **site}]}, "--config")


def test_off_ramp_after_a_pinned_hsts_is_gone(lab: Any) -> None:
    """
    HSTS that only an option named is taken back after a restart without the option.
    """
    lab.pins = pinned(hsts={"enabled": True, "max_age": 7000})
    lab.restart()
    assert lab.plane.snapshot.sites[0].hsts.enabled
    assert lab.changes.current.number == 1
    _tick(lab)
    assert lab.changes.current.number == 2
    _tick(lab)
    assert lab.changes.current.number == 2
    lab.pins = Pins()
    lab.restart()
    assert lab.plane.snapshot.sites[0].hsts.off_until == lab.wall + 7000


def _tick(lab: Any) -> None:
    from twisted.internet.defer import Deferred

    results: list[Any] = []
    Deferred.fromCoroutine(lab.changes.tick()).addBoth(results.append)
    assert not hasattr(results[0], "raiseException"), results


def served_with(memory: dict[str, Any], wanted: Snapshot) -> Snapshot:
    """
    The snapshot as it is compiled with what is remembered.
    """
    off_until = memory["default"].hsts_off_until if "default" in memory else 0.0
    sites = (attrs.evolve(site, hsts=attrs.evolve(site.hsts, off_until=off_until)) for site in wanted.sites)
    return attrs.evolve(wanted, sites=tuple(sites))


CHANGE = st.tuples(st.sampled_from(["on", "off", "gone", "restart"]), st.integers(1, 10**6), st.integers(1, 2 * 10**6))


@settings(max_examples=200, deadline=None)
@given(st.lists(CHANGE, min_size=2, max_size=20))
def test_off_ramp_lasts_as_long_as_any_browser_insists(changes: list[tuple[str, int, int]]) -> None:
    """
    Whatever is switched when, over restarts and removals of the site: as long as a browser may still insist on HTTPS
    from an earlier visit, the site answers it with HSTS or with max-age=0.
    """
    now = NOW
    memory: dict[str, Any] = {}
    served = snapshot()
    insists_until = 0.0
    for what, max_age, pause in changes:
        wanted = served
        if what != "restart":
            hsts = HSTS(enabled=what == "on", max_age=max_age)
            wanted = snapshot(hsts=hsts, sites=0 if what == "gone" else 1)
        memory = remember(memory, None if what == "restart" else served, wanted, now)
        served = served_with(memory, wanted)
        for moment in (now, now + pause - 1):
            for site in served.sites:
                if site.hsts.enabled:
                    insists_until = max(insists_until, moment + site.hsts.max_age)
                else:
                    assert hsts_value(site.hsts, moment) == (b"max-age=0" if moment < insists_until else b"") or (
                        insists_until <= moment < site.hsts.off_until
                    )
        now += pause
