"""
What one exchange may cost, in function calls of the interpreter: a figure that does not depend on the clock.

A commit that makes an exchange dearer than its budget by more than 5 % fails here.  If the cost is worth it, the budget is
changed in the same commit, with the reason; if an exchange became cheaper, lower it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.task import Clock

from tlsgate.counters import Counters
from tlsgate.downstream import AccessLog, Channel, ChannelSource, Plane, Routes
from tlsgate.sites import HSTS, Binding, Scheme, Server, Site, Snapshot, Upstream
from tlsgate.transport import Deadlines
from tlsgate.upstream import UpstreamConnection, UpstreamGroups

#: Calls for each exchange: Python functions and built-in ones.
BUDGET = {"plain": 75, "browser": 75, "upload": 102}

REQUESTS = {
    "plain": b"GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "browser": (
        b"GET /1k HTTP/1.1\r\nHost: localhost\r\n"
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0\r\n"
        b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
        b"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
        b"Referer: https://localhost/\r\nCookie: a=b; c=dddddddddddddddddddd\r\n"
        b"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n\r\n"
    ),
    "upload": b"POST /1k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123456789",
}

RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 00:13:38 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 1024\r\nLast-Modified: Sat, 21 Nov 2026 00:13:38 GMT\r\nConnection: keep-alive\r\n"
    b'ETag: "655bf222-400"\r\nAccept-Ranges: bytes\r\n\r\n' + b"x" * 1024
)


class Hub:
    """
    A clock and deadlines, and no sockets.
    """

    def __init__(self) -> None:
        self.reactor = Clock()
        self.deadlines = Deadlines(self.reactor)


class Sink:
    """
    A transport that keeps the last write; none of its calls belongs to the exchange.
    """

    connected = True
    buffered = 0
    tls_version = "TLSv1.3"
    cipher = "TLS_AES_128_GCM_SHA256"
    server_name = "localhost"
    last = b""

    def write(self, data: bytes) -> None:
        self.last = data

    def ignore(self, *arguments: Any) -> None:
        pass

    registerProducer = unregisterProducer = pauseProducing = resumeProducing = loseConnection = ignore


@pytest.fixture
def ends() -> Iterator[tuple[Channel, UpstreamConnection]]:
    """
    A client's channel, and the idle upstream connection that its exchanges will use.
    """
    hub: Any = Hub()
    counters = Counters()
    groups = UpstreamGroups(hub, counters)
    server = Server(url="http://127.0.0.1:1", scheme="http", host="127.0.0.1", port=1)
    upstream = Upstream(name="app", servers=(server,))
    site = Site(name="default", hosts=("*",), upstream="app", hsts=HSTS(enabled=True))
    binding = Binding(name="https", scheme=Scheme.HTTPS, endpoint="tcp:8443")
    snapshot = Snapshot(generation=1, bindings=(binding,), sites=(site,), upstreams=(upstream,))
    group = groups.apply(groups.plan(snapshot.upstreams, snapshot.timeouts, snapshot.limits))
    plane = Plane(
        hub,
        counters=counters,
        access_log=AccessLog(None, "combined", hub.reactor, counters),
        routes=Routes.of(snapshot, group, {"https": 8443}, time.time()),
        wall_clock=time.time,
        identity="tlsgate-test",
    )
    channel = ChannelSource(plane, "https", secure=True, port=8443).channel(("127.0.0.1", 5))
    channel.makeConnection(Sink())
    [pool] = group["app"].pools
    connection = UpstreamConnection(pool, pool.limits)
    connection.makeConnection(Sink())  # type: ignore[arg-type]
    connection.begin(channel, b"GET")  # type: ignore[arg-type]
    pool.outstanding += 1
    pool.release(connection)
    yield channel, connection
    plane.stop()


@pytest.mark.parametrize("kind", sorted(BUDGET))
def test_an_exchange_stays_within_its_budget(kind: str, ends: tuple[Channel, UpstreamConnection]) -> None:
    """
    An exchange on warm keep-alive connections makes no more calls than it is allowed.
    """
    channel, connection = ends
    request = REQUESTS[kind]
    for _ in range(5):
        channel.dataReceived(request)
        connection.dataReceived(RESPONSE)
    assert channel.transport.last.endswith(b"x" * 1024)
    assert channel.exchange is None
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    times = 20
    sys.setprofile(count)
    try:
        for _ in range(times):
            channel.dataReceived(request)
            connection.dataReceived(RESPONSE)
    finally:
        sys.setprofile(None)
    # What the sinks themselves are called with counts, too.
    each = calls / times
    assert each <= BUDGET[kind] * 1.05, f"{each} calls for each exchange, where the budget is {BUDGET[kind]}"
    assert each > BUDGET[kind] * 0.8, f"only {each} calls: lower the budget, so that it goes on guarding"
