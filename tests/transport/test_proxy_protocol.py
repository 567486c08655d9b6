"""
Tests for L{tlsgate.transport._proxy_protocol}.
"""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.transport._proxy_protocol import MAXIMUM_HEADER, MalformedProxyHeader, ProxyHeader, encode, parse

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"

ports = st.integers(0, 65535)
ipv4 = st.tuples(st.ip_addresses(v=4).map(str), ports)
ipv6 = st.tuples(st.ip_addresses(v=6).map(str), ports)


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body)) + body


@given(st.sampled_from([1, 2]), st.one_of(st.tuples(ipv4, ipv4), st.tuples(ipv6, ipv6)), st.binary(max_size=40))
@settings(max_examples=150, deadline=None)
def test_round_trip(version: int, ends: tuple[tuple[str, int], tuple[str, int]], rest: bytes) -> None:
    """What is encoded is parsed as the same addresses, and not a byte more is consumed."""
    data = encode(version, *ends)
    assert parse(data + rest) == ProxyHeader(ends[0], ends[1], len(data))


@given(st.sampled_from([1, 2]), st.one_of(st.tuples(ipv4, ipv4), st.tuples(ipv6, ipv6)))
@settings(max_examples=30, deadline=None)
def test_every_cut_waits(version: int, ends: tuple[tuple[str, int], tuple[str, int]]) -> None:
    """However a header is cut, the parser waits for the rest."""
    data = encode(version, *ends)
    for length in range(len(data)):
        assert parse(data[:length]) is None


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda tail: SIGNATURE + b"\x21" + tail)))
@settings(max_examples=200, deadline=None)
def test_garbage_never_surprises(data: bytes) -> None:
    """Any bytes give a header, a wait or MalformedProxyHeader."""
    try:
        header = parse(data)
    except MalformedProxyHeader:
        return
    assert header is None or 0 < header.consumed <= len(data)


@given(st.binary(min_size=MAXIMUM_HEADER, max_size=MAXIMUM_HEADER))
@settings(max_examples=20, deadline=None)
def test_never_waits_beyond_the_maximum(tail: bytes) -> None:
    """With the longest header's bytes at hand the parser always decides."""
    for start in (b"", b"PROXY ", SIGNATURE + b"\x21\x11", SIGNATURE + b"\x20\x00"):
        try:
            assert parse((start + tail)[:MAXIMUM_HEADER]) is not None
        except MalformedProxyHeader:
            pass


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 ::1 ::2 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP6 :::1 ::2 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n" + b" " * 80,
        b"PROXY UNKNOWN " + b"x" * 94,
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    ],
)
def test_v1_refused(line: bytes) -> None:
    """A version 1 line in any form but its own is refused."""
    with pytest.raises(MalformedProxyHeader):
        parse(line)


def test_v1_limit() -> None:
    """A version 1 line of exactly 107 bytes passes; one more is refused."""
    longest = b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n"
    assert len(longest) == 107
    assert parse(longest) == ProxyHeader(None, None, 107)
    with pytest.raises(MalformedProxyHeader):
        parse(b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n")


def test_unknown() -> None:
    """UNKNOWN tells no address and is not the proxy speaking for itself."""
    assert parse(b"PROXY UNKNOWN\r\nrest") == ProxyHeader(None, None, 15, False)


def test_local() -> None:
    """LOCAL is marked, and its addresses and extensions are skipped unread."""
    body = struct.pack("!4s4sHH", b"\1\2\3\4", b"\5\6\7\x08", 1, 2) + b"\xff\xff"
    data = v2(0x20, 0x11, body)
    assert parse(data + b"rest") == ProxyHeader(None, None, len(data), local=True)


def test_extensions() -> None:
    """Version 2's extensions are given as they came."""
    body = struct.pack("!4s4sHH", b"\1\2\3\4", b"\5\6\7\x08", 1, 2) + b"\x01\x00\x02h2" + b"\x04\x00\x00"
    header = parse(v2(0x21, 0x11, body))
    assert header is not None
    assert header.source == ("1.2.3.4", 1)
    assert header.tlvs == ((1, b"h2"), (4, b""))


def test_unix_and_datagram_families_tell_nothing() -> None:
    """Families that have no address for us are skipped, not refused."""
    for family, body in ((0x00, b""), (0x31, b"a" * 216), (0x12, b"b" * 12)):
        data = v2(0x21, family, body)
        assert parse(data) == ProxyHeader(None, None, len(data))


@pytest.mark.parametrize(
    "data",
    [
        v2(0x11, 0x11, b"x" * 12),
        v2(0x22, 0x11, b"x" * 12),
        v2(0x21, 0x41, b"x" * 12),
        v2(0x21, 0x11, b"x" * 11),
        v2(0x21, 0x21, b"x" * 35),
        v2(0x21, 0x11, b"x" * 12 + b"\x01\x00"),
        v2(0x21, 0x11, b"x" * 12 + b"\x01\x00\x05abc"),
        SIGNATURE + b"\x21\x11\x10\x01",
    ],
)
def test_v2_refused(data: bytes) -> None:
    """Other versions, commands, families, lengths and cut extensions are refused."""
    with pytest.raises(MalformedProxyHeader):
        parse(data)


def test_encode_without_addresses() -> None:
    """A client without an address is UNKNOWN or LOCAL."""
    assert encode(1, None, None) == b"PROXY UNKNOWN\r\n"
    assert parse(encode(2, None, None)) == ProxyHeader(None, None, 16, local=True)


@pytest.mark.parametrize("version", [1, 2])
def test_encode_mixed_families(version: int) -> None:
    """An IPv4 end beside an IPv6 one is written as IPv6."""
    header = parse(encode(version, ("1.2.3.4", 5), ("fe80::1%eth0", 6)))
    assert header is not None and header.source is not None
    assert IPv6Address(header.source[0]).ipv4_mapped == IPv4Address("1.2.3.4")
    assert header.destination == ("fe80::1", 6)


def test_encode_refuses() -> None:
    """No header is made of what is no address, port or version."""
    for arguments in ((3, ("1.2.3.4", 1), ("1.2.3.4", 1)), (1, ("x", 1), ("1.2.3.4", 1)), (2, ("::1", -1), ("::1", 1))):
        with pytest.raises(ValueError, match=r"."):
            encode(*arguments)
