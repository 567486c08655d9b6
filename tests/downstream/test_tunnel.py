"""
After 101: bytes both ways, and ends.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tlsgate.sites import Timeouts

UPGRADE = b"GET /t HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n"


@pytest.fixture
def tunnel(bench: Any) -> tuple[Any, Any]:
    """
    A client and an origin that are joined.
    """
    bench.configure(timeouts=Timeouts(tunnel=10.0, body=3.0))
    client = bench.client()
    client.say(UPGRADE)
    origin = bench.origin()
    assert b"\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n" in origin.hears()
    origin.says(SWITCH)
    assert client.hears() == SWITCH
    return client, origin


def test_bytes_pass(bench: Any, tunnel: Any) -> None:
    """
    Both ways, unread; counted when it ends, under 101.
    """
    client, origin = tunnel
    client.say(b"GET / HTTP/1.1\r\n\r\n", b"\0")
    assert origin.hears() == b"GET / HTTP/1.1\r\n\r\n\0"
    origin.says(b"HTTP/1.1 500 X\r\n\r\n")
    assert client.hears() == b"HTTP/1.1 500 X\r\n\r\n"
    assert bench.app.outstanding == 1
    client.channel.connectionLost()
    assert origin.is_left()
    assert (bench.app.outstanding, bench.app.active) == (0, 0)
    assert bench.counters.requests["default", "GET", 101] == 1
    assert (bench.counters.bytes_in["default"], bench.counters.bytes_out["default"]) == (19, 18)


def test_bytes_with_the_heads(bench: Any) -> None:
    """
    What came glued to either head belongs to the tunnel.
    """
    client = bench.client()
    client.say(UPGRADE + b"early")
    origin = bench.origin()
    origin.says(SWITCH + b"also early")
    assert client.hears() == SWITCH + b"also early"
    assert origin.hears().endswith(b"\r\n\r\nearly")


def test_backpressure(tunnel: Any) -> None:
    """
    Each side's transport pauses the other's.
    """
    client, _ = tunnel
    connection = client.channel.tunnel._connection
    assert client.transport.producer is connection.transport
    assert connection.transport._producer is client.transport


def test_half_close_by_the_client(bench: Any, tunnel: Any) -> None:
    """
    Reaches the origin, whose bytes still arrive; its end is the tunnel's.
    """
    client, origin = tunnel
    client.channel.peer_ended()
    assert not origin.is_left()
    client.channel.readConnectionLost()
    assert origin.is_left()
    origin.says(b"answer")
    assert (client.hears(), client.transport.ended) == (b"answer", "")
    origin.closes()
    assert client.transport.ended == "lost"
    assert bench.app.outstanding == 0


def test_half_close_by_the_origin(bench: Any, tunnel: Any) -> None:
    """
    Reaches the client, whose bytes still arrive, to the last, though both have ended.
    """
    client, origin = tunnel
    origin.sock.shutdown(socket.SHUT_WR)
    bench.spin()
    assert client.transport.half_closed
    assert client.transport.ended == ""
    client.say(b"x" * 2_000_000)
    client.channel.readConnectionLost()
    assert len(origin.hears()) == 2_000_000
    assert origin.is_left()
    assert (client.transport.ended, bench.app.outstanding, bench.app.active) == ("lost", 0, 0)


def test_an_origin_that_takes_nothing_after_the_end(bench: Any, tunnel: Any) -> None:
    """
    What is left for it is not kept for ever.
    """
    client, origin = tunnel
    origin.sock.shutdown(socket.SHUT_WR)
    bench.spin()
    client.say(b"x" * 9_000_000)
    client.channel.readConnectionLost()
    assert bench.app.active == 1
    bench.advance(10)
    assert bench.app.active == 0


def test_idle(bench: Any, tunnel: Any) -> None:
    """
    Traffic either way keeps it; without any, it ends on both sides.
    """
    client, origin = tunnel
    for _ in range(3):
        bench.advance(8)
        origin.says(b".")
        bench.advance(8)
        client.say(b".")
    assert client.transport.ended == ""
    origin.hears()
    bench.advance(13)
    assert client.transport.ended == "lost"
    assert origin.is_left()
    assert bench.counters.refused["tunnel-idle"] == 1
    assert bench.app.outstanding == 0


def test_a_client_that_does_not_take_the_rest(bench: Any, tunnel: Any) -> None:
    """
    When the origin has gone, what it said is still delivered, but not waited for without end.
    """
    client, origin = tunnel
    client.transport.buffered = 1000
    origin.sock.close()
    bench.spin()
    client.channel.readConnectionLost()
    assert (client.transport.ended, client.transport.connected) == ("lost", True)
    bench.advance(15)
    assert client.transport.ended == "aborted"


def test_draining_leaves_it(bench: Any, tunnel: Any) -> None:
    """
    A tunnel goes on while the gate drains.
    """
    client, origin = tunnel
    client.channel.drain()
    client.say(b"still")
    assert origin.hears() == b"still"


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (b"Connection: close, Upgrade\r\nUpgrade: echo/1\r\n", True),
        (b"Connection: upgrade\r\nConnection: keep-alive\r\nUpgrade: echo/1\r\n", True),
        (b"Upgrade: echo/1\r\n", False),
        (b"Connection: close\r\nUpgrade: echo/1\r\n", False),
        (b"Connection: Upgrade\r\n", False),
        (b"Connection: Upgrade\r\nUpgrade: h2c\r\n", False),
        (b"Connection: Upgrade\r\nUpgrade: echo/1, h2c\r\n", False),
    ],
)
def test_what_asks_for_a_tunnel(bench: Any, lines: bytes, asked: bool) -> None:
    """
    C{Upgrade} and the option that names it; never h2c. What does not ask is a request like any other.
    """
    client = bench.client()
    client.say(b"GET /t HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
    origin = bench.origin()
    heard = origin.hears().lower()
    assert (b"\r\nconnection: upgrade\r\nupgrade: echo/1\r\n" in heard) is asked
    assert heard.count(b"upgrade") == (2 if asked else 0)
    if asked:
        origin.says(SWITCH)
        assert client.hears() == SWITCH
        origin.says(b"through")
        assert client.hears() == b"through"
    else:
        origin.says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert client.hears().startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("request_", "switch"),
    [
        (b"GET /t HTTP/1.1\r\nHost: a\r\n\r\n", SWITCH),
        (b"GET /t HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo/1\r\n\r\n", SWITCH),
        (UPGRADE, b"HTTP/1.1 101 X\r\n\r\n"),
        (UPGRADE.replace(b"echo/1", b"h2c"), SWITCH),
        (UPGRADE.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n"), SWITCH),
    ],
)
def test_switches_that_are_nonsense(bench: Any, request_: bytes, switch: bytes) -> None:
    """
    Not asked for, to nothing, or before the request is complete: 502.
    """
    client = bench.client()
    client.say(request_)
    origin = bench.origin()
    origin.says(switch)
    assert client.hears().startswith(b"HTTP/1.1 502 ")
    assert origin.is_left()
    assert bench.app.outstanding == 0
