"""
One connection: an origin's bytes in, a borrower's events out.
"""

from __future__ import annotations

from typing import Any

import pytest
from _upstream_bench import Borrower, MemoryTransport, UpstreamBench
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from tlsgate.http1 import ReaderLimits
from tlsgate.sites import Timeouts
from tlsgate.upstream import UpstreamConnection


@pytest.fixture
def lent(bench: UpstreamBench) -> tuple[UpstreamConnection, Borrower, MemoryTransport]:
    """
    A connection, whom it is lent to, and its transport.
    """
    pool = bench.pool(Timeouts(body=2.0))
    connection, borrower, transport = UpstreamConnection(pool, ReaderLimits()), Borrower(), MemoryTransport()
    connection.makeConnection(transport)  # type: ignore[arg-type]
    pool.outstanding += 1
    pool._open.add(connection)
    connection.begin(borrower, b"GET")
    borrower.connection = connection
    return connection, borrower, transport


Lent = tuple[UpstreamConnection, Borrower, MemoryTransport]


def test_a_response_in_pieces(lent: Lent) -> None:
    """
    Head, content and end, and a pause after each read that did not end it.
    """
    connection, borrower, _ = lent
    for data in (b"HTTP/1.1 200 OK\r\nContent-", b"Length: 4\r\n\r\nab", b"cd"):
        connection.dataReceived(data)
    assert borrower.events == ["paused", ("head", 200), ("content", b"ab"), "paused", ("content", b"cd"), "ended"]


def test_interim_and_final(lent: Lent) -> None:
    """
    An interim head ends nothing; a head without content ends with itself.
    """
    connection, borrower, _ = lent
    connection.dataReceived(b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 204 X\r\n\r\n")
    assert borrower.events == [("head", 103), ("head", 204), "ended"]
    assert connection.clean


def test_nonsense(lent: Lent) -> None:
    """
    Ends the connection, and the borrower has it no longer.
    """
    connection, borrower, transport = lent
    connection.dataReceived(b"nonsense")
    assert borrower.events == [("broke", "upstream-nonsense")]
    assert transport.ended == "aborted"
    assert (connection.borrower, connection.pool.outstanding) == (None, 0)


def test_bytes_that_nobody_asked_for(lent: Lent) -> None:
    """
    End an idle connection.
    """
    connection, _, transport = lent
    connection.dataReceived(b"HTTP/1.1 204 X\r\n\r\n")
    connection.pool.release(connection)
    assert connection.pool.idle == 1
    connection.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n")
    assert transport.ended == "aborted"


@pytest.mark.parametrize(
    ("data", "buffered"),
    [(b"HTTP/1.1 204 X\r\n\r\nHTTP", 0), (b"HTTP/1.1 204 X\r\n\r\n", 1), (b"HTTP/1.1 200 X\r\n\r\nx", 0)],
)
def test_what_is_not_clean(lent: Lent, data: bytes, buffered: int) -> None:
    """
    Bytes after the end, a request that was not sent to its end, content that was not read to its end.
    """
    connection, _, transport = lent
    connection.dataReceived(data)
    transport.buffered = buffered
    assert not connection.clean


@pytest.mark.parametrize(
    ("data", "last"),
    [
        (b"", ("broke", "upstream-broke")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", ("broke", "upstream-broke")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", ("broke", "upstream-broke")),
        (b"HTTP/1.0 200 OK\r\n\r\na", "ended"),
    ],
)
def test_an_orderly_end(lent: Lent, data: bytes, last: Any) -> None:
    """
    Ends what is delimited by the close, and cuts everything else short, at once even while a request is being sent.
    """
    connection, borrower, transport = lent
    transport.producer = object()
    if data:
        connection.dataReceived(data)
    connection.readConnectionLost()
    assert borrower.events[-1] == last
    if last != "ended":
        assert transport.ended == "aborted"


def test_a_lost_connection_ends_nothing_in_order(lent: Lent) -> None:
    """
    Content until the close that is cut by a reset is not complete; it is told once.
    """
    connection, borrower, _ = lent
    connection.dataReceived(b"HTTP/1.0 200 OK\r\n\r\na")
    connection.connectionLost(Failure(ConnectionLost()))
    connection.connectionLost(Failure(ConnectionLost()))
    assert borrower.events[3:] == [("broke", "upstream-broke")]
    assert connection.pool.outstanding == 0


def test_silence(lent: Lent) -> None:
    """
    Is the origin's fault, unless it still takes what is sent, or waits for the client.
    """
    connection, borrower, transport = lent
    borrower.uploading = True
    connection.deadline_passed()
    transport.buffered = 10
    connection.deadline_passed()
    transport.buffered = 5
    connection.deadline_passed()
    assert borrower.events == []
    assert connection.deadline
    connection.deadline_passed()
    assert borrower.events == [("broke", "upstream-silent")]


def test_an_idle_connection_leaves_the_pool_before_it_closes(lent: Lent) -> None:
    """
    Over TLS the close may have to wait: nobody is lent it in the meantime.  Its second time is the last.
    """
    connection, _, transport = lent
    connection.dataReceived(b"HTTP/1.1 204 X\r\n\r\n")
    connection.pool.release(connection)
    transport.producer = object()
    connection.deadline_passed()
    assert connection.pool.idle == 0
    assert (transport.ended, transport.connected) == ("lost", True)
    connection.deadline_passed()
    assert transport.ended == "aborted"


def test_a_tunnel(lent: Lent) -> None:
    """
    After the borrower says so bytes pass unread, those that were read with the head first.
    """
    connection, borrower, _ = lent
    was = borrower.response_head

    def switch(head: Any) -> None:
        was(head)
        connection.tunnel = True

    borrower.response_head = switch  # type: ignore[method-assign]
    connection.dataReceived(b"HTTP/1.1 101 X\r\n\r\nHTTP/1.1")
    connection.dataReceived(b"\0")
    connection.readConnectionLost()
    assert borrower.events == [("head", 101), ("tunnel", b"HTTP/1.1"), ("tunnel", b"\0"), "half-closed"]
    assert not connection.clean


@pytest.mark.parametrize("where", ["head", "content", "ended"])
def test_a_mistake_of_ours(lent: Lent, where: str) -> None:
    """
    Is the borrower's end, not the hub's: the connection is gone and accounted for.
    """
    connection, borrower, transport = lent
    borrower.raises, borrower.pool = where, connection.pool
    connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
    assert borrower.events[-1] == "crashed"
    assert connection.pool.outstanding == 0
    assert transport.ended == ("" if where == "ended" else "aborted")
