"""
Redirect loops.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.policy import HandedOn, LoopDetector, Sighting, loop_findings

POINTERS = {"app": "/site/0"}


def test_suspends_the_peer() -> None:
    """A peer that claims HTTPS untrusted and asks again and again is suspended, and named with the setting."""
    loops = LoopDetector(times=3, suspended_for=60)
    asked = [loops.note("app", "10.0.0.1", b"c", b"/", 1.0, claimed=True) for _ in range(4)]
    assert asked == [False, False, True, True]
    (finding,) = loop_findings([{"kind": "request"}, *loops.rows(2.0)], POINTERS)
    assert 'Add "10.0.0.1" to the trusted_peers' in finding.message
    assert finding.pointer == "/site/0/trusted_peers"
    assert loops.is_suspended("app", "10.0.0.1", 60.0)
    assert not loops.is_suspended("other", "10.0.0.1", 60.0)
    assert not loops.is_suspended("app", "10.0.0.1", 61.0)
    assert loops.rows(61.0) == ()


def test_who_claims_nothing_has_more_time() -> None:
    """A proxy that says nothing of the scheme is a loop only after more redirects, and is told to say it."""
    loops = LoopDetector(times=3, times_unclaimed=6)
    asked = [loops.note("app", "10.0.0.1", b"c", b"/", 1.0, claimed=False) for _ in range(6)]
    assert asked == [False] * 5 + [True]
    assert "X-Forwarded-Proto: https, and add" in loop_findings(loops.rows(1.0), POINTERS)[0].message


def test_trusted_peer_is_told_what_to_send() -> None:
    """A trusted peer that says it in another way is told which field counts; one without an address to have one."""
    loops = LoopDetector(times=1)
    loops.note("app", "10.0.0.1", b"c", b"/", 1.0, claimed=True, trusted=True)
    loops.note("app", "", b"c", b"/", 1.0, claimed=True)
    trusted, local = loop_findings(loops.rows(1.0), {})
    assert "must also send X-Forwarded-Proto" in trusted.message
    assert "IP address" in local.message
    assert trusted.pointer == ""


def test_slow_repetition_is_no_loop() -> None:
    """Who asks for the same target now and then, or for different targets, is not suspended."""
    loops = LoopDetector(times=3, within=10)
    assert not any(loops.note("app", "10.0.0.1", b"c", b"/", now, claimed=True) for now in range(0, 120, 6))
    assert not any(loops.note("app", "10.0.0.1", b"c", b"/%d" % number, 200.0, claimed=True) for number in range(9))


def test_counts_for_several() -> None:
    """What two processes see of one client is a loop for whoever counts for both, and both hear of it."""
    counting = LoopDetector(times=3)

    def tell(sighting: Sighting) -> None:
        site, peer, client, target, now, claimed, trusted = sighting
        if counting.note(site, peer, client, target, now, claimed=claimed, trusted=trusted):
            for each in processes:
                each.suspend(counting.rows(now))

    processes = [LoopDetector(times=3, tell=tell) for _ in range(3)]
    asked = [each.note("app", "10.0.0.1", b"c" * 99, b"/" * 999, 1.0, claimed=True) for each in processes]
    assert asked == [False, False, False]
    assert all(each.is_suspended("app", "10.0.0.1", 2.0) for each in processes)
    assert len(loop_findings([row for each in processes for row in each.rows(2.0)], POINTERS)) == 1


def test_does_not_tell_without_bound() -> None:
    """A proxy that forwards for many in clear is told of a bounded number of times a second, and never while suspended."""
    told: list[Sighting] = []
    loops = LoopDetector(times=3, tell=told.append, max_told=5)
    for number in range(50):
        loops.note("app", "10.0.0.1", b"c", b"/%d" % number, 1.0 + number // 25, claimed=True)
    assert len(told) == 10
    for _ in range(5):
        loops.note("app", "10.0.0.2", b"c", b"/", 9.0, claimed=True)
    assert len(told) == 13


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=300))
def test_bounded(asked: list[tuple[int, int]]) -> None:
    """However many peers and targets there are, no more than the bound are remembered."""
    loops = LoopDetector(times=2, max_rows=10)
    for peer, target in asked:
        loops.note("app", f"10.0.0.{peer}", b"", b"/%d" % target, 1.0, claimed=True)
    assert len(loops.rows(1.0)) <= 10


@pytest.mark.parametrize(
    ("first", "claimed", "may_loop"),
    [
        ({b"x-forwarded-proto": b"http, https"}, True, True),
        ({b"x-forwarded-proto": b"https, http", b"via": b"1.1 x"}, False, False),
        ({b"x-forwarded-ssl": b"On"}, True, True),
        ({b"forwarded": b'for=x;proto="https"'}, True, True),
        ({b"x-forwarded-for": b"x"}, False, True),
        ({b"via": b"1.1 x"}, False, True),
        ({b"user-agent": b"https"}, False, False),
    ],
)
def test_what_a_proxy_says(*, first: dict[bytes, bytes], claimed: bool, may_loop: bool) -> None:
    """The usual ways to say that the client spoke HTTPS are understood, and those that show a proxy."""
    said = HandedOn.of(first)
    assert (said.claimed, said.may_loop) == (claimed, may_loop)


def test_the_client_is_who_the_proxy_names_first() -> None:
    """Of a chain of proxies the first entry is a hint at the client."""
    assert HandedOn.of({b"x-forwarded-for": b"198.51.100.7, 10.0.0.1"}).client == b"198.51.100.7"
    assert HandedOn.of({b"via": b"1.1 x"}).client == b""
