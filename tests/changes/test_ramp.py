"""
The HSTS ramp: its steps, what holds them, and what is shown of it.
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred

from tlsgate.acme._problems import OrderProblem
from tlsgate.acme._renewal import Renewals
from tlsgate.acme._schedule import Schedule
from tlsgate.changes._ramp import begin, held_by, missing_for_preload, step
from tlsgate.settings import validate_document
from tlsgate.sites import HSTS, Binding, Redirect, RedirectMode, Scheme, ServerCertificate, Site, Snapshot

NOW = 1_800_000_000.0
DAY = 86400.0

HTTP = Binding(name="http", scheme=Scheme.HTTP, endpoint="tcp:8080", public_port=80)
HTTPS = Binding(name="https", scheme=Scheme.HTTPS, endpoint="tcp:8443", public_port=443, default_certificate="default")


def served(*, days: float = 90.0, left: float = 60.0, bindings: tuple[Binding, ...] = (HTTP, HTTPS)) -> Snapshot:
    certificate = ServerCertificate(
        name="default",
        chain=b"",
        key=b"",
        names=("localhost",),
        not_before=NOW + (left - days) * DAY,
        not_after=NOW + left * DAY,
        key_type="ec-p256",
        fingerprint="",
    )
    return Snapshot(generation=1, bindings=bindings, certificates={"default": certificate})


SITE = Site(name="default", hosts=("*",), upstream="app", hsts=HSTS(enabled=True))


@pytest.mark.parametrize(
    ("snapshot", "word"),
    [
        (served(), ""),
        (served(bindings=(HTTPS,)), ""),
        (served(bindings=(HTTP,)), "no https binding"),
        (served(bindings=(HTTP, attrs.evolve(HTTPS, public_port=8443))), "port 8443, not 443"),
        (served(bindings=(attrs.evolve(HTTP, public_port=8080), HTTPS)), "port 8080, not 80"),
        (served(bindings=(attrs.evolve(HTTP, public_port=0), HTTPS)), "unknown"),
        (served(left=29), "ends in 29 days"),
        (served(days=6, left=3), ""),
        (served(days=6, left=1.5), "ends in 1 days"),
        (served(left=-1), "no valid and trusted"),
    ],
)
def test_gates(snapshot: Snapshot, word: str) -> None:
    """
    Ports as clients see them and certificates that do not end soon for their kind are what a step needs.
    """
    held = held_by(snapshot, SITE, NOW, lambda certificate: True)
    assert (word in held) and bool(held) == bool(word)


def test_gated_on_trust_and_renewal() -> None:
    """
    An untrusted certificate holds the ramp, and so does one whose renewal fails.
    """
    assert "trusted" in held_by(served(), SITE, NOW, lambda certificate: False)
    assert "renewal of certificate default" in held_by(served(), SITE, NOW, lambda certificate: True, {"default"})


def test_preload_says_all_that_is_missing() -> None:
    """
    What preloading lacks is listed completely; with everything in place nothing is.
    """
    missing = missing_for_preload(served(bindings=(HTTP,)), Site(name="x", hosts=("*",), upstream="app"), NOW, bool)
    assert len(missing) == 7
    ready = attrs.evolve(
        SITE,
        hsts=HSTS(enabled=True, max_age=31536000, include_subdomains=True, preload=True),
        redirect=Redirect(mode=RedirectMode.ALL),
    )
    assert missing_for_preload(served(), ready, NOW, lambda certificate: True) == ()


def tick(lab: Any) -> None:
    results: list[Any] = []
    Deferred.fromCoroutine(lab.changes.tick()).addBoth(results.append)
    assert not hasattr(results[0], "raiseException"), results


def ramp(lab: Any, hold: float = 7 * DAY, goal: int = 31556926) -> None:
    def edit(draft: Any) -> None:
        lab.usual_ports(draft)
        hsts = {"enabled": True, "ramp": True, "max_age": goal, "ramp_hold": hold}
        lab.site(hsts=hsts)(draft)
        lab.certify("default", end=lab.wall + 900 * DAY, start=lab.wall)(draft)

    lab.apply(edit)


def sent(lab: Any) -> int:
    found: int = lab.plane.snapshot.sites[0].hsts.max_age
    return found


def test_walks_its_steps_over_restarts(lab: Any) -> None:
    """
    A ramp walks all steps, each held its time, with a restart in each, and says what comes next.
    """
    ramp(lab)
    steps = [300, 3600, 86400, 2592000, 31556926]
    for index, value in enumerate(steps):
        assert sent(lab) == value
        state = lab.changes.hsts("default")
        assert (state.sends, state.largest, state.step) == (f"max-age={value}", value, index)
        if value != steps[-1]:
            assert state.next_step.max_age == steps[index + 1]
            assert state.next_step.due == lab.wall + 7 * DAY
            assert state.next_step.held_by == ""
        lab.wall += 7 * DAY - 1
        tick(lab)
        assert sent(lab) == value
        lab.restart()
        lab.wall += 1
        tick(lab)
    assert lab.changes.hsts("default").next_step is None
    assert lab.changes.history()[0]["summary"] == ["HSTS of site default steps up to max-age=31556926."]


def test_held_while_not_trusted(lab: Any) -> None:
    """
    A step that is due waits for what holds it, and says so; the step is taken when that is over.
    """
    ramp(lab)
    lab.trusts = False
    lab.wall += 30 * DAY
    tick(lab)
    assert sent(lab) == 300
    assert "trusted" in lab.changes.hsts("default").next_step.held_by
    lab.trusts = True
    tick(lab)
    assert sent(lab) == 3600


def test_held_while_a_renewal_fails(lab: Any) -> None:
    """
    From a failed ACME order to a ramp that waits, and from the next certificate to one that goes on.
    """
    schedule = Schedule(
        reactor=lab.clock,
        in_thread=maybeDeferred,
        wall=lambda: lab.wall,
        settings=lambda: lab.changes.effective.acme,
        clients=None,
        renewals=Renewals(lab.folder / "renewals.json", Random(1)),
        renewable=lambda: lab.changes.current.certificates,
        is_busy=lambda name: False,
        renew=lambda name, rehearse: None,
    )
    lab.renewal_failing = schedule.failing
    lab.apply(lab.usual_ports)
    lab.apply(lab.site(hsts={"enabled": True, "ramp": True, "max_age": 10000, "ramp_hold": 3600.0}))
    Deferred.fromCoroutine(schedule.failed("default", OrderProblem.of("connection", name="localhost")))
    lab.advance(7200)
    Deferred.fromCoroutine(lab.changes.tick())
    assert lab.plane.snapshot.sites[0].hsts.max_age == 300
    following = lab.changes.hsts("default").next_step
    assert (following.max_age, following.held_by) == (3600, "the renewal of certificate default is failing")
    lab.apply(lab.certify("default", key="renewed"))
    assert schedule.failing() == []
    Deferred.fromCoroutine(lab.changes.tick())
    assert lab.plane.snapshot.sites[0].hsts.max_age == 3600


def test_off_ramp_of_a_ramp(lab: Any) -> None:
    """
    Switching a ramp off sends max-age=0 for the largest step ever sent, and on again it begins anew.
    """
    ramp(lab)
    for _ in range(2):
        lab.wall += 7 * DAY
        tick(lab)
    lab.apply(lab.site(hsts={"enabled": False}))
    state = lab.changes.hsts("default")
    assert (state.sends, state.off_until, state.largest) == ("max-age=0", lab.wall + 86400, 86400)
    ramp(lab)
    assert sent(lab) == 300


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 20 * DAY)), max_size=12))
def test_never_skips_a_step(times: list[tuple[bool, float]]) -> None:
    """
    Whenever it is looked at, and whatever holds it meanwhile, a ramp takes its steps in order and one at a time.
    """
    hsts = {"enabled": True, "ramp": True, "max_age": 31556926}
    document = {
        "binding": [
            {"name": "http", "scheme": "http", "endpoint": "tcp:8080", "public_port": 80},
            {"name": "https", "scheme": "https", "endpoint": "tcp:8443", "public_port": 443},
        ],
        "site": [{"name": "default", "hosts": ["*"], "upstream": "app", "hsts": hsts}],
        "upstream": [{"name": "app", "servers": [{"url": "http://127.0.0.1:9000"}]}],
    }
    wanted = validate_document(document)
    snapshot = attrs.evolve(served(days=900, left=899), sites=(SITE,))
    now = NOW
    memory = begin({}, wanted, now)
    taken_at = now
    for trusted, pause in times:
        now += pause
        before = memory["default"].hsts_step
        memory, told = step(memory, wanted, snapshot, now, lambda certificate, trusted=trusted: trusted)
        after = memory["default"].hsts_step
        assert after - before == len(told) <= 1
        if told:
            assert trusted
            assert now - taken_at >= wanted.sites[0].hsts.ramp_hold
            taken_at = now
        elif trusted and before < 4:
            assert now - taken_at < wanted.sites[0].hsts.ramp_hold
