"""
Tests for L{tlsgate.listeners._admission}.
"""

import resource

import pytest

from tlsgate.listeners import Admission, descriptor_limit
from tlsgate.sites import Limits


def test_total() -> None:
    """No more than the limit are in at once."""
    admission = Admission(Limits(connections=2))
    assert [admission.enter() for _ in range(3)] == [True, True, False]
    admission.leave()
    assert admission.enter()
    assert admission.total == 2


def test_per_address() -> None:
    """An address over its limit is refused; others, and UNIX sockets, are not."""
    admission = Admission(Limits(connections_per_address=1))
    assert admission.enter_address("192.0.2.1")
    assert not admission.enter_address("192.0.2.1")
    assert admission.enter_address("192.0.2.2")
    assert admission.enter_address("") and admission.enter_address("")
    admission.leave_address("192.0.2.1")
    assert admission.enter_address("192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:0:1::", True),
        ("2001:db8:0:1::1", "2001:db8::1", False),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", True),
        ("::1", "::2", True),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_ipv6_counts_by_network(one: str, other: str, same: bool) -> None:
    """An IPv6 host has its whole /64: two addresses of it count together."""
    admission = Admission(Limits(connections_per_address=1))
    assert admission.enter_address(one)
    assert admission.enter_address(other) is not same


def test_nothing_is_kept_of_who_left() -> None:
    """Addresses that left cost no memory."""
    admission = Admission()
    for last in range(200):
        assert admission.enter_address(f"192.0.2.{last}")
        admission.leave_address(f"192.0.2.{last}")
    assert admission._by_address == {}


def test_limits_change_while_clients_are_in() -> None:
    """A lower limit closes nobody, and refuses until enough have left."""
    admission = Admission(Limits(connections=3))
    assert all(admission.enter() for _ in range(3))
    admission.set_limits(Limits(connections=2))
    admission.leave()
    assert not admission.enter()
    admission.leave()
    assert admission.enter()


def test_descriptors_are_the_default_limit() -> None:
    """Without a limit, descriptors less a reserve decide."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 0 < descriptor_limit() < soft
    assert Admission().total_limit == descriptor_limit()


def shared(limits: Limits) -> tuple[Admission, list[str]]:
    """One of several workers' counts, and each time it asked to be heard."""
    calls: list[str] = []
    admission = Admission()
    admission.share(lambda: calls.append("news"))
    admission.set_limits(limits)
    return admission, calls


def test_what_others_admitted_counts() -> None:
    """The limits are those of all workers together, by address and in all."""
    admission, _ = shared(Limits(connections=3, connections_per_address=2))
    admission.hear(2, {"192.0.2.1": 1, "192.0.2.2": 2})
    assert admission.enter_address("192.0.2.1")
    assert not admission.enter_address("192.0.2.1")
    assert not admission.enter_address("192.0.2.2")
    assert [admission.enter() for _ in range(2)] == [True, False]
    admission.hear(0, {"192.0.2.1": 0, "192.0.2.2": 0})
    assert admission.enter_address("192.0.2.1")
    assert admission.enter()
    assert admission._elsewhere_by_address == {}


def test_descriptors_are_a_workers_own() -> None:
    """Without a limit in all, the connections of others cost this worker nothing."""
    admission, _ = shared(Limits(connections_per_address=1000))
    admission.hear(1_000_000, {})
    assert admission.enter()


def test_news_are_what_changed() -> None:
    """They are asked for once, until they are taken; an address that has left is told as 0."""
    admission, calls = shared(Limits(connections_per_address=5))
    assert calls == ["news"]
    assert admission.news() == (0, {})
    admission.enter()
    admission.enter_address("192.0.2.1")
    admission.enter_address("192.0.2.1")
    assert calls == ["news"] * 2
    assert admission.news() == (1, {"192.0.2.1": 2})
    admission.leave_address("192.0.2.1")
    admission.leave_address("192.0.2.1")
    assert calls == ["news"] * 3
    assert admission.news() == (1, {"192.0.2.1": 0})


def test_without_limits_there_are_no_news() -> None:
    """Nothing is remembered or told; when a limit is set, everything is."""
    admission, calls = shared(Limits())
    admission.enter()
    admission.enter_address("192.0.2.1")
    assert calls == []
    admission.set_limits(Limits(connections_per_address=5))
    assert calls == ["news"]
    assert admission.news() == (1, {"192.0.2.1": 1})
    admission.set_limits(Limits())
    admission.enter_address("192.0.2.1")
    assert calls == ["news"]
    assert admission.news() == (1, {})
