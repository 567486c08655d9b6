"""
Events as they come: read however they are cut, followed over the real API, ended in order or not.
"""

from __future__ import annotations

from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from tlsgate.client import Event, Refused, Unreachable
from tlsgate.client._events import SILENCE, WAITING, EventReader, EventStream

WIRE = (
    ': \n\nid: 7\nevent: order\ndata: {"name": "grün"}\n\n'
    'id: 8\r\nevent: generation\r\ndata: {"a":\r\ndata: 1}\r\n\r\nid: 9\n\ndata: {}\n\nevent: cut\n'
).encode()

READ = [Event(7, "order", {"name": "grün"}), Event(8, "generation", {"a": 1}), Event(9, "message", {})]


@given(st.sets(st.integers(1, len(WIRE) - 1)))
def test_cut_anywhere(cuts: set[int]) -> None:
    """
    However the bytes are cut, the events are the same; what is not complete is none.
    """
    places = [0, *sorted(cuts), len(WIRE)]
    reader = EventReader()
    pieces = [WIRE[start:end] for start, end in pairwise(places)]
    assert [event for piece in pieces for event in reader.receive(piece)] == READ


class Bench:
    """
    A stream, its transport, and what comes of waiting for its events.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.transport = StringTransport()
        self.stream = EventStream(self.clock)
        self.stream.makeConnection(self.transport)

    def next(self) -> list[Any]:
        results: list[Any] = []
        Deferred.fromCoroutine(self.stream.next()).addBoth(results.append)
        return results


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_end_in_order(bench: Bench) -> None:
    """
    Events are given in order, then the end.
    """
    waiting = bench.next()
    assert waiting == []
    bench.stream.dataReceived(WIRE)
    bench.stream.connectionLost(Failure(ResponseDone()))
    assert [*waiting, *bench.next(), *bench.next()] == READ
    assert bench.next() == [None]
    assert bench.clock.getDelayedCalls() == []


def test_break(bench: Bench) -> None:
    """
    What came before a connection broke is given, then the reason.
    """
    bench.stream.dataReceived(b"id: 1\ndata: {}\n\n")
    bench.stream.connectionLost(Failure(ConnectionLost()))
    assert bench.next() == [Event(1, "message", {})]
    [failure] = bench.next()
    assert failure.check(Unreachable)
    assert "broke" in failure.getErrorMessage()


def test_silence(bench: Bench) -> None:
    """
    A comment is a sign of life; without one for a minute the connection is given up.
    """
    waiting = bench.next()
    bench.clock.advance(SILENCE - 1)
    bench.stream.dataReceived(b": \n\n")
    bench.clock.advance(SILENCE - 1)
    assert waiting == []
    bench.clock.advance(1)
    assert waiting[0].check(Unreachable)
    assert bench.transport.disconnecting


@pytest.mark.parametrize("data", [b"data: x\n\n", b"data: []\n\n", b"data: \xff\n\n"])
def test_nonsense(bench: Bench, data: bytes) -> None:
    """
    What is no event of the admin API ends the stream with that reason.
    """
    bench.stream.dataReceived(data)
    assert bench.next()[0].check(Unreachable)
    assert bench.transport.disconnecting


def test_slow_reader(bench: Bench) -> None:
    """
    A reader that is behind makes the gate wait, and go on once it has caught up a little.
    """
    bench.stream.dataReceived(b"data: {}\n\n" * WAITING)
    assert bench.transport.producerState == "paused"
    bench.next()
    assert bench.transport.producerState == "producing"


def test_close(bench: Bench) -> None:
    """
    Whoever has enough closes the connection, once.
    """
    bench.stream.close()
    assert bench.transport.disconnecting
    bench.stream.dataReceived(WIRE)
    bench.stream.connectionLost(Failure(ConnectionDone()))
    assert bench.next() == [None]


def test_from_the_gate(gate) -> None:
    """
    Changes are told to who asks for what was after an event; a number that is not known anymore gives all that is kept.
    """
    for size in (1, 2, 3):
        assert gate.harness.call("PATCH", "/api/v1/sites/default", {"max_body": size}).status == 200

    async def first_after(client, after):
        async with aclosing(client.events(after=after)) as events:
            async for event in events:
                return event
        return None

    found = gate.perform(lambda client: first_after(client, 1))
    assert (found.number, found.kind, found.document["number"]) == (2, "generation", 3)
    assert gate.perform(lambda client: first_after(client, 99)).number == 1


def test_refused(gate) -> None:
    """
    Whoever may not look is refused as anywhere.
    """

    async def follow(client):
        async for _ in client.events():
            pass

    with pytest.raises(Refused) as caught:
        gate.perform(follow, token="tlsg_wrong")
    assert caught.value.code == "token-invalid"
