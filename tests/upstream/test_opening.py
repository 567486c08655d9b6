"""
Connections on their way: names that resolve late or never.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from _upstream_bench import Borrower, Resolver, UpstreamBench
from twisted.internet.address import IPv4Address

from tlsgate.http1 import ReaderLimits
from tlsgate.sites import Server, Timeouts
from tlsgate.upstream import ServerPool


@pytest.fixture
def resolver(bench: UpstreamBench) -> Resolver:
    """
    What resolves names.
    """
    bench.reactor.nameResolver = resolver = Resolver()
    return resolver


@pytest.fixture
def pool(bench: UpstreamBench) -> ServerPool:
    """
    Of a server that has a name.
    """
    return ServerPool(
        bench.hub,
        bench.pool().upstream,
        Server(url="http://x:1", scheme="http", host="x", port=1),
        timeouts=Timeouts(connect=5.0),
        limits=ReaderLimits(),
        counters=bench.counters,
    )


@pytest.fixture
def full() -> Iterator[IPv4Address]:
    """
    Where nobody accepts: a listener whose backlog is full.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        port = listening.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield IPv4Address("TCP", "127.0.0.1", port)
        for filler in fillers:
            filler.close()


def lend(pool: ServerPool) -> Borrower:
    """
    Ask for a connection, when there is none.
    """
    borrower = Borrower()
    assert pool.lend(borrower, b"GET") is None
    return borrower


def test_a_name_without_addresses(bench: UpstreamBench, pool: ServerPool, resolver: Resolver) -> None:
    """
    Is refused.
    """
    borrower = lend(pool)
    resolver.answer()
    assert borrower.events == [("failed", "upstream-refused")]
    assert pool.outstanding == 0
    assert not bench.reactor.getDelayedCalls()[1:]  # all but the hub's tick


def test_a_resolver_that_does_not_answer(bench: UpstreamBench, pool: ServerPool, resolver: Resolver) -> None:
    """
    Each borrower waits for as long as a connection may take; what is learned later serves the next.
    """
    first = lend(pool)
    bench.advance(3)
    second = lend(pool)
    bench.advance(2)
    assert (first.events, second.events) == ([("failed", "upstream-silent")], [])
    bench.advance(3)
    assert second.events == [("failed", "upstream-silent")]
    assert pool.outstanding == 0
    with socket.create_server(("127.0.0.1", 0)) as listening:
        resolver.answer(IPv4Address("TCP", *listening.getsockname()))
        assert len(resolver.asked) == 1
        third = lend(pool)
        bench.spin()
        assert third.events == ["lent"]
    assert first.events == [("failed", "upstream-silent")]


def test_the_name_and_the_connection_share_their_time(
    bench: UpstreamBench, pool: ServerPool, resolver: Resolver, full: IPv4Address
) -> None:
    """
    What the name took, the connection does not have.
    """
    borrower = lend(pool)
    bench.advance(3)
    resolver.answer(full)
    bench.advance(1)
    assert borrower.events == []
    bench.advance(1)
    assert borrower.events == [("failed", "upstream-silent")]


def test_given_up_while_the_name_is_looked_up(bench: UpstreamBench, pool: ServerPool, resolver: Resolver) -> None:
    """
    Nothing is said any more, and nothing is opened.
    """
    one, other = lend(pool), lend(pool)
    assert pool.give_up(one)
    other.connection_failed = lambda error: pool.give_up(last)  # type: ignore[method-assign]
    last = lend(pool)
    resolver.answer()
    bench.advance(6)
    assert one.events == last.events == []
    assert pool.outstanding == 0


@pytest.fixture
def silent(bench: UpstreamBench) -> Iterator[tuple[ServerPool, socket.socket]]:
    """
    A pool of a TLS server that accepts and says nothing.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        pool = ServerPool(
            bench.hub,
            bench.pool().upstream,
            Server(url=f"https://127.0.0.1:{port}", scheme="https", host="127.0.0.1", port=port),
            timeouts=Timeouts(connect=2.0, handshake=5.0),
            limits=ReaderLimits(),
            counters=bench.counters,
        )
        yield pool, listening


def test_a_handshake_that_is_not_answered(bench: UpstreamBench, silent: tuple[ServerPool, socket.socket]) -> None:
    """
    Has its own time, and then the borrower is told.
    """
    pool, listening = silent
    borrower = lend(pool)
    bench.spin()
    far, _ = listening.accept()
    with far:
        bench.advance(4)
        assert borrower.events == []
        bench.advance(3)
        assert borrower.events == [("failed", "upstream-silent")]
        assert pool.outstanding == 0
        far.settimeout(5)
        hello = b"".join(iter(lambda: far.recv(65536), b""))
        assert hello[:1] == b"\x16"


def test_given_up_during_the_handshake(bench: UpstreamBench, silent: tuple[ServerPool, socket.socket]) -> None:
    """
    The connection is reset at once, and nothing is said any more.
    """
    pool, listening = silent
    borrower = lend(pool)
    bench.spin()
    far, _ = listening.accept()
    with far:
        assert far.recv(1)[0] == 0x16
        assert pool.give_up(borrower)
        far.settimeout(5)
        with pytest.raises(ConnectionResetError):
            while far.recv(65536):
                pass
        bench.advance(7)
        assert borrower.events == []
        assert pool.outstanding == 0
