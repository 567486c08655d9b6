"""
Raw addresses become Twisted's.
"""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from tlsgate.transport._addresses import address_of


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (("192.0.2.1", 443), IPv4Address("TCP", "192.0.2.1", 443)),
        (("2001:db8::1", 443, 0, 3), IPv6Address("TCP", "2001:db8::1", 443, 0, 3)),
        ("/run/origin.sock", UNIXAddress("/run/origin.sock")),
        ("", UNIXAddress(None)),
        (UNIXAddress("/made"), UNIXAddress("/made")),
    ],
)
def test_address_of(raw: object, expected: object) -> None:
    """Each family has its class; an address stays what it is."""
    assert address_of(raw) == expected
