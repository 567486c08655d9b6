"""
A client's connection: requests one after the other, and its ends.
"""

from __future__ import annotations

from typing import Any

import pytest

from tlsgate.sites import Limits, Timeouts

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d"


def test_pipelined(bench: Any) -> None:
    """
    One at a time, in order, on one connection to the origin.
    """
    client = bench.client()
    client.say(b"".join(GET % n for n in range(3)))
    origin = bench.origin()
    for n in range(3):
        assert origin.hears().startswith(b"GET /%d " % n)
        origin.says(OK % n)
        assert client.hears().endswith(b"\r\n\r\n%d" % n)


def test_reading_ahead_is_bounded(bench: Any) -> None:
    """
    What comes while an exchange runs is held up to a bound, and read again afterwards.
    """
    bench.configure(limits=Limits(target=100))
    client = bench.client()
    client.say(GET % 0, GET % 1 * 10)
    assert client.transport.paused
    origin = bench.origin()
    for n in range(11):
        origin.hears()
        origin.says(OK % (n % 10))
    assert not client.transport.paused
    assert client.hears().count(b"HTTP/1.1 200") == 11


@pytest.mark.parametrize(
    ("request_", "closes"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Close\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", False),
    ],
)
def test_who_closes(bench: Any, request_: bytes, closes: bool) -> None:
    """
    As the client says, by its version (RFC 9112 section 9.3); in order, lingering for what it still sends.
    """
    client = bench.client()
    client.say(request_)
    bench.origin().says(OK % 1)
    assert (client.transport.ended == "lost") is closes
    assert (b"\r\nConnection: close\r\n" in client.hears()) is closes
    assert bool(client.transport.linger) is closes
    assert client.say(GET % 1) == b""
    assert (client.channel.exchange is None) is closes


def test_deadlines_of_heads(bench: Any) -> None:
    """
    A head has its time from its first byte on; before that, and between requests, it is an idle connection that ends.
    """
    bench.configure(timeouts=Timeouts(head=5.0, idle=9.0))
    silent, dribbling, idle = bench.client(), bench.client(), bench.client()
    idle.say(GET % 1)
    origin = bench.origin()
    origin.says(OK % 1)
    idle.hears()
    for byte in b"GET / HTTP":
        dribbling.sends(bytes([byte]))
        bench.advance(1)
    assert dribbling.hears().startswith(b"HTTP/1.1 408 ")
    assert (silent.hears(), silent.transport.ended) == (b"", "lost")
    bench.advance(3)
    assert (idle.hears(), idle.transport.ended) == (b"", "lost")


def test_a_head_begun_after_an_exchange(bench: Any) -> None:
    """
    Bytes of the next head that came with the last one's content have the head's time, not the idle one.
    """
    bench.configure(timeouts=Timeouts(head=5.0, idle=50.0))
    client = bench.client()
    client.say(GET % 1 + b"GET")
    bench.origin().says(OK % 1)
    client.hears()
    bench.advance(7)
    assert client.hears().startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("spare", [b"\r\n", b"\r"])
def test_a_spare_line_end_is_no_head(bench: Any, spare: bytes) -> None:
    """
    After content it is ignored (RFC 9112 section 2.2): the connection idles, and ends as such, or serves a request.
    """
    bench.configure(timeouts=Timeouts(head=5.0, idle=20.0))
    idle, busy, new = bench.client(), bench.client(), bench.client()
    for client in (idle, busy):
        client.say(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1" + spare)
    origins = bench.origin(), bench.origin()
    for client, origin in zip((idle, busy), origins, strict=True):
        origin.says(OK % 1)
        assert client.hears().endswith(b"1")
    new.sends(spare)
    bench.advance(7)
    assert (new.hears(), new.transport.ended) == (b"", "lost")
    assert (idle.hears(), idle.transport.ended) == (b"", "")
    busy.say((b"\r\n" + GET % 1)[len(spare) :])
    origins[1].says(OK % 2)
    assert busy.hears().endswith(b"2")
    bench.advance(16)
    assert (idle.hears(), idle.transport.ended) == (b"", "lost")
    assert bench.counters.refused == {}


def test_a_spare_line_end_does_not_hold_up_a_drain(bench: Any) -> None:
    """
    The connection idles, and ends now.
    """
    client = bench.client()
    client.say(GET % 1 + b"\r\n")
    bench.origin().says(OK % 1)
    client.channel.drain()
    assert client.transport.ended == "lost"


def test_deadlines_of_content(bench: Any) -> None:
    """
    Content must come at its rate; but not while it is the origin that does not take it.
    """
    bench.configure(timeouts=Timeouts(body=100.0, first_byte=100.0), limits=Limits(body_rate=10, body_rate_window=5.0))
    steady, slow = bench.client(), bench.client()
    for client in (steady, slow):
        client.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        bench.origin()
    for _ in range(20):
        steady.sends(b"x" * 15)
        slow.sends(b"x")
        bench.advance(1)
    assert slow.hears().startswith(b"HTTP/1.1 408 ")
    assert bench.counters.refused["body-timeout"] == 1
    steady.channel.pauseProducing()
    bench.advance(20)
    assert steady.hears() == b""
    steady.channel.resumeProducing()
    bench.advance(8)
    assert steady.hears().startswith(b"HTTP/1.1 408 ")


def test_a_client_that_stops_sending_is_to_blame(bench: Any) -> None:
    """
    When both times are equal, the answer is 408 and not 504.
    """
    bench.configure(timeouts=Timeouts(body=5.0), limits=Limits(body_rate_window=5.0))
    client = bench.client()
    client.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
    bench.origin()
    bench.advance(15)
    assert client.hears().startswith(b"HTTP/1.1 408 ")
    assert bench.app.failures == 0


def test_readers(bench: Any) -> None:
    """
    A client that reads, however little, is waited for, also when its response is all but over; one that does not is cut off.
    """
    bench.configure(timeouts=Timeouts(body=5.0, idle=5.0))
    client = bench.client()
    client.say(GET % 1)
    bench.origin().says(OK % 1)
    client.transport.buffered = 1000
    for _ in range(6):
        bench.advance(6)
        client.transport.buffered -= 1
    assert client.transport.ended == ""
    bench.advance(20)
    assert client.transport.ended == "lost"
    for _ in range(4):
        client.transport.buffered -= 1
        bench.advance(6)
    assert client.transport.ended == "lost"
    bench.advance(20)
    assert client.transport.ended == "aborted"


def test_a_reader_that_stalls(bench: Any) -> None:
    """
    In the middle of a response: its exchange ends with it.
    """
    bench.configure(timeouts=Timeouts(body=5.0))
    client = bench.client()
    client.say(GET % 1)
    origin = bench.origin()
    origin.says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1")
    client.transport.buffered = 1000
    client.transport.producer.pauseProducing()
    bench.advance(20)
    assert client.transport.ended == "aborted"
    assert bench.counters.refused["slow-reader"] == 1
    client.channel.connectionLost()
    assert origin.is_left()
    assert bench.app.outstanding == 0


@pytest.mark.parametrize("how", ["readConnectionLost", "peer_ended", "connectionLost"])
def test_a_client_that_goes(bench: Any, how: str) -> None:
    """
    Waiting or uploading, lent or in line: the upstream is let go at once, and 499 is written down.
    """
    bench.configure(max_connections=1)
    running, waiting = bench.client(), bench.client()
    running.say(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1")
    origin = bench.origin()
    waiting.say(GET % 1)
    assert bench.app.outstanding == 2
    for client in (waiting, running):
        getattr(client.channel, how)()
        client.channel.connectionLost()
        assert client.hears() == b""
    assert bench.app.outstanding == 0
    assert origin.is_left()
    assert bench.counters.requests["default", "PUT", 499] == 1
    assert bench.counters.requests["default", "GET", 499] == 1


def test_a_client_that_has_ended_with_nothing_asked(bench: Any) -> None:
    """
    What it has sent is still read.
    """
    client = bench.client()
    client.channel.peer_ended()
    assert client.transport.ended == ""
    client.say(GET % 1)
    bench.origin().says(OK % 1)
    assert client.hears().endswith(b"1")


def test_an_idle_client_that_goes(bench: Any) -> None:
    """
    Is let go in order.
    """
    client = bench.client()
    client.channel.readConnectionLost()
    client.channel.writeConnectionLost()
    assert client.transport.ended == "lost"


def test_draining(bench: Any) -> None:
    """
    Idle connections end now, others after their exchange, whatever the client was told of its connection.
    """
    idle, asked, answering, partial = (bench.client() for _ in range(4))
    idle.say(GET % 0)
    origin = bench.origin()
    origin.says(OK % 0)
    origin.closes()
    asked.say(GET % 1)
    first = bench.origin()
    answering.say(GET % 2)
    second = bench.origin()
    second.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1")
    partial.say(b"GET / HTTP/1.1\r\n")
    bench.plane.draining = True
    for client in (idle, asked, answering, partial):
        client.channel.drain()
    assert [client.transport.ended for client in (idle, asked, answering, partial)] == ["lost", "", "", ""]
    first.says(OK % 1)
    second.says(b"2")
    assert asked.transport.ended == answering.transport.ended == "lost"
    assert b"\r\nConnection: close\r\n" in asked.hears()
    partial.say(b"Host: a\r\n\r\n")
    second.says(OK % 1)
    assert partial.transport.ended == "lost"


def test_a_mistake_in_the_next_exchange(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Ends that client's connection, and not the upstream's event in which it began.
    """
    client = bench.client()
    client.say(GET % 1 + GET % 2)
    origin = bench.origin()
    monkeypatch.setattr(type(bench.plane), "next_request_id", lambda _: 1 / 0)
    origin.says(OK % 1)
    assert client.hears().endswith(b"1")
    assert client.transport.ended == "aborted"
    assert (bench.app.idle, bench.app.outstanding) == (1, 0)


def test_what_cannot_be_read(bench: Any) -> None:
    """
    Is refused once, and nothing after it is read.
    """
    client = bench.client(secure=True, server_name="a.test")
    answer = client.say(b"nonsense\r\n\r\n" + GET % 1, GET % 2)
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert bench.counters.requests["-", "other", 400] == 1
    assert bench.counters.refused["request-line"] == 1
