"""
What the upstream is told of the client, and whom the gate believes.
"""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.policy import client_address, is_secure, kept_request_id, upstream_fields
from tlsgate.sites import Site

TRUSTED = (ip_network("10.0.0.0/8"),)
SITE = Site(name="a", hosts=("*",), upstream="u", trusted_peers=TRUSTED)


def lines(fields: list[tuple[bytes, bytes]], peer: str = "192.0.2.1", options: frozenset[bytes] = frozenset()) -> bytes:
    return upstream_fields(fields, peer=peer, site=SITE, secure=False, port=80, connection_options=options)


def test_replaced_for_untrusted_peer() -> None:
    """What an untrusted peer claims is replaced, under any spelling."""
    sent = [
        (b"Host", b"h"),
        (b"X-Forwarded-For", b"6.6.6.6"),
        (b"x_forwarded_for", b"6.6.6.6"),
        (b"X-Real-IP", b"6.6.6.6"),
        (b"Forwarded", b"for=6.6.6.6"),
        (b"X-Forwarded-Proto", b"https"),
    ]
    written = lines(sent)
    assert b"6.6.6.6" not in written
    assert b"X-Forwarded-For: 192.0.2.1\r\n" in written
    assert b"X-Forwarded-Proto: http\r\n" in written
    assert b"X-Forwarded-Host: h\r\nX-Forwarded-Port: 80\r\n" in written


def test_appended_for_trusted_peer() -> None:
    """A trusted peer's chain is kept and the peer appended."""
    written = lines([(b"Host", b"h"), (b"X-Forwarded-For", b"203.0.113.9")], peer="10.0.0.1")
    assert b"X-Forwarded-For: 203.0.113.9, 10.0.0.1\r\n" in written


def test_connection_cannot_strip() -> None:
    """Connection removes what it names, but not what end-to-end decisions rest on."""
    options = frozenset({b"x-forwarded-for", b"authorization", b"host", b"x-own"})
    written = lines([(b"Host", b"h"), (b"Authorization", b"a"), (b"X-Own", b"1")], options=options)
    assert b"X-Forwarded-For: 192.0.2.1" in written
    assert b"Host: h\r\nAuthorization: a\r\n" in written
    assert b"X-Own" not in written


@pytest.mark.parametrize(
    ("peer", "chain", "expected"),
    [
        ("192.0.2.1", b"1.1.1.1", ("192.0.2.1", "peer")),
        ("10.0.0.1", b"6.6.6.6, 1.1.1.1, 10.0.0.2", ("1.1.1.1", "x-forwarded-for")),
        ("10.0.0.1", b"6.6.6.6, junk", ("10.0.0.1", "peer")),
        ("::ffff:10.0.0.1", b"[2001:db8::1]:99", ("2001:db8::1", "x-forwarded-for")),
    ],
)
def test_client_address(peer: str, chain: bytes, expected: tuple[str, str]) -> None:
    """The walk goes from the right as long as hops are trusted, and stops at what cannot be read."""
    found = client_address(peer, [(b"X-Forwarded-For", chain)], TRUSTED)
    assert (found.ip, found.rule) == expected


def test_secure_by_trusted_peer_only() -> None:
    """X-Forwarded-Proto makes a request secure only if a trusted peer sends it."""
    fields = [(b"X-Forwarded-Proto", b"https")]
    assert is_secure(False, "10.0.0.1", fields, TRUSTED)
    assert not is_secure(False, "192.0.2.1", fields, TRUSTED)


def test_request_id() -> None:
    """A request id is kept from a trusted peer and only if it is a short token."""
    assert kept_request_id([(b"X-Request-ID", b"abc-1")], True) == b"abc-1"
    assert kept_request_id([(b"X-Request-ID", b"abc-1")], False) == b""
    assert kept_request_id([(b"X-Request-ID", b"a" * 129)], True) == b""


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=40), st.sampled_from(["192.0.2.1", "10.0.0.1"]))
def test_no_junk_in_chain(value: bytes, peer: str) -> None:
    """Whatever is sent, X-Forwarded-For holds addresses only and ends with the peer."""
    written = lines([(b"X-Forwarded-For", value)], peer=peer)
    chain = written.split(b"\r\n")[0].removeprefix(b"X-Forwarded-For: ").decode("ascii").split(", ")
    assert chain[-1] == peer
    assert all(set(hop) <= set("0123456789abcdef.:") for hop in chain)
