"""
Where channels come from.
"""

from __future__ import annotations

from typing import Any

import pytest
from _upstream_bench import MemoryTransport

from tlsgate.downstream import ChannelSource
from tlsgate.downstream._source import REMEMBERED_BYTES, REMEMBERED_CLIENTS
from tlsgate.sites import Site

HEAD = b"GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: x\r\n\r\n"


def meaning_of(source: ChannelSource, head: bytes = HEAD, address: str = "192.0.2.1", server_name: str = "") -> Any:
    """
    What a new connection's first fields come to.
    """
    channel: Any = source.channel((address, 1))
    channel.makeConnection(MemoryTransport(server_name))
    channel.dataReceived(head)
    meaning = channel.exchange.meaning if channel.exchange else None
    channel.connectionLost()
    return meaning


def test_plain_on_tls(bench: Any) -> None:
    """
    Plain HTTP on an https port is sent to the https URL of the same port, once, whatever it asked for.
    """
    client = bench.client(plain=True)
    answer = client.say(b"GET /x?y HTTP/1.1\r\n", b"Host: A.test\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 308 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nLocation: https://a.test:8443/x?y\r\n" in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert client.transport.ended == "lost"
    assert bench.counters.refused["plain-on-tls"] == 1


def test_plain_on_tls_that_is_no_request(bench: Any) -> None:
    """
    Is ended without a word, and so is one that names no host.
    """
    for said in (b"SSH-2.0-x\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"):
        client = bench.client(plain=True)
        assert client.say(said) == b""
        assert client.transport.ended == "lost"


def test_an_ipv6_peer(bench: Any) -> None:
    """
    Its zone means nothing to anybody else.
    """
    channel = bench.client().channel.binding.channel(("fe80::1%eth0", 1, 0, 2))
    assert channel.peer_ip == "fe80::1"
    assert bench.client().channel.binding.channel("").peer_ip == ""


def test_a_client_that_comes_back(bench: Any) -> None:
    """
    Means the same by the same fields; nobody else does, and nobody by others.
    """
    source = ChannelSource(bench.plane, "https", secure=True, port=443)
    meaning = meaning_of(source)
    assert meaning is not None
    assert meaning_of(source) is meaning
    other = meaning_of(source, address="192.0.2.2")
    assert other is not meaning
    assert b"X-Forwarded-For: 192.0.2.2\r\n" in other.upstream_fields
    assert meaning_of(source, HEAD.replace(b": x", b": y")) is not meaning
    assert meaning_of(ChannelSource(bench.plane, "http", secure=False, port=80)) is not meaning


def test_new_routes_are_new_meanings(bench: Any) -> None:
    """
    And the old routes are not kept alive by what was remembered.
    """
    source = ChannelSource(bench.plane, "https", secure=True, port=443)
    meaning = meaning_of(source)
    for address in ("192.0.2.2", "192.0.2.3"):
        meaning_of(source, address=address)
    bench.configure(Site(name="new", hosts=("*",), upstream="app", forwarded=True))
    fresh = meaning_of(source)
    assert b"\r\nForwarded: for=192.0.2.1" in fresh.upstream_fields
    assert meaning.routes is not fresh.routes
    assert [fields.memo.routes for fields in source._remembered.values()] == [fresh.routes]


@pytest.mark.parametrize(
    ("head", "strict"),
    [
        (b"GET / HTTP/1.0\r\nUser-Agent: x\r\n\r\n", False),
        (HEAD, True),
        (HEAD.replace(b": x", b": " + b"x" * REMEMBERED_BYTES), False),
    ],
)
def test_what_is_not_remembered(bench: Any, head: bytes, strict: bool) -> None:
    """
    What depends on the connection itself, and what is large.
    """
    source = ChannelSource(bench.plane, "https", secure=True, port=443, strict=strict)
    meaning = meaning_of(source, head)
    assert meaning is not None
    assert meaning_of(source, head) is not meaning


def test_only_so_many_clients_are_remembered(bench: Any) -> None:
    """
    The oldest is forgotten first.
    """
    source = ChannelSource(bench.plane, "https", secure=True, port=443)
    first = meaning_of(source)
    for number in range(1, REMEMBERED_CLIENTS):
        meaning_of(source, address=f"198.51.100.{number}")
    assert meaning_of(source) is first
    meaning_of(source, address="203.0.113.1")
    assert len(source._remembered) == REMEMBERED_CLIENTS
    assert meaning_of(source) is not first
