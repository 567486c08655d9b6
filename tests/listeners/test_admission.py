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
