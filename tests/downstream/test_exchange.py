"""
Exchanges as conversations: a client's bytes in, the origin's bytes out, and back.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.interfaces import IPushProducer
from zope.interface.verify import verifyObject

from tlsgate.sites import Health, Limits, Selection, Server, Timeouts

GET = b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"
PUT = b"PUT /x HTTP/1.1\r\nHost: a.test\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: now\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: now\r\n\r\n"


def statuses(answer: bytes) -> list[int]:
    """
    Of all heads in some bytes.
    """
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", answer)]


def test_a_get(bench: Any) -> None:
    """
    The head goes up with what the gate says about the client, and the answer comes down as it was.
    """
    client = bench.client()
    assert client.say(GET) == b""
    origin = bench.origin()
    seen = origin.hears()
    assert seen.startswith(b"GET /x HTTP/1.1\r\nHost: a.test\r\n")
    for line in (
        b"X-Forwarded-For: 192.0.2.1",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: a.test",
        b"X-Forwarded-Port: 8443",
        b"Via: 1.1 gate-test",
    ):
        assert seen.count(line + b"\r\n") == 1
    assert re.search(rb"\r\nX-Request-ID: [0-9a-f]{22}\r\n\r\n$", seen)
    origin.says(OK)
    assert client.hears() == b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nok"
    assert (bench.app.idle, bench.app.outstanding) == (1, 0)
    assert bench.counters.requests["default", "GET", 200] == 1
    assert bench.counters.bytes_out["default"] == 2


def test_content_goes_up_as_it_comes(bench: Any) -> None:
    """
    What comes before there is a connection is held for it; the rest passes piece by piece.
    """
    client = bench.client()
    client.say(PUT + b"Content-Length: 6\r\n\r\nab", b"cd")
    origin = bench.origin()
    assert origin.hears().endswith(b"\r\nContent-Length: 6\r\n\r\nabcd")
    client.say(b"ef")
    assert origin.hears() == b"ef"
    origin.says(OK)
    assert statuses(client.hears()) == [200]


@pytest.mark.parametrize("early", [True, False])
def test_chunked_content_and_trailers(bench: Any, early: bool) -> None:
    """
    Whether the request is complete before there is a connection or after, its trailers go up.
    """
    client = bench.client()
    head, rest = PUT + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n0\r\nX-T: 1\r\nContent-Length: 9\r\n\r\n"
    client.say(head, rest) if early else client.say(head)
    origin = bench.origin()
    if not early:
        client.say(rest)
    assert origin.hears().endswith(b"\r\n\r\n2\r\nab\r\n0\r\nX-T: 1\r\n\r\n")


def test_content_length_zero_is_kept(bench: Any) -> None:
    """
    A request that says it has no content says so to the origin.
    """
    bench.client().say(PUT + b"Content-Length: 0\r\n\r\n")
    assert bench.origin().hears().endswith(b"\r\nContent-Length: 0\r\n\r\n")


# Backpressure.


def test_a_slow_origin_pauses_its_client(bench: Any) -> None:
    """
    While the origin does not read, neither do we; when it does, so do we.
    """
    client = bench.client()
    client.say(PUT + b"Content-Length: 8000000\r\n\r\n")
    origin = bench.origin()
    sent = 0
    while not client.transport.paused:
        client.say(b"x" * 65536)
        sent += 65536
        assert sent < 4_000_000
    assert bench.app.outstanding == 1
    origin.hears()
    assert not client.transport.paused


def test_held_content_counts_towards_the_pause(bench: Any) -> None:
    """
    Content that waited for its connection, and more than the origin takes: the client is paused, not read on.
    """
    client = bench.client()
    client.say(PUT + b"Content-Length: 80000000\r\n\r\n", b"x" * 8_000_000)
    assert client.transport.paused
    origin = bench.origin()
    assert client.transport.paused
    while client.transport.paused:
        assert origin.hears()
    client.say(b"x")


def test_a_client_that_leaves_is_noticed_after_its_request(bench: Any) -> None:
    """
    The client is read again when its request is complete, however slowly the rest of it goes up.
    """
    client = bench.client()
    client.say(PUT + b"Content-Length: 8000000\r\n\r\n")
    bench.origin()
    client.say(b"x" * 8_000_000)
    assert not client.transport.paused


def test_a_slow_client_pauses_the_origin(bench: Any) -> None:
    """
    From the second read of a response on; and a connection that its last piece paused is resumed for the next exchange.
    """
    client = bench.client()
    client.say(GET)
    origin = bench.origin()
    origin.says(CHUNKED + b"1\r\na\r\n")
    pace = client.transport.producer
    assert verifyObject(IPushProducer, pace)
    pace.pauseProducing()
    [connection] = bench.app._open
    assert connection.transport._paused
    pace.resumeProducing()
    assert not connection.transport._paused
    pace.pauseProducing()
    connection.dataReceived(b"0\r\n\r\n")
    assert client.transport.producer is None
    assert bench.app.idle == 1
    client.say(GET)
    origin.says(OK)
    assert client.hears().endswith(b"ok")


def test_a_stalled_response_is_not_the_origins_silence(bench: Any) -> None:
    """
    While the client does not read, the origin's time stands still; afterwards it begins anew.
    """
    bench.configure(timeouts=Timeouts(body=5.0))
    client = bench.client()
    client.say(GET)
    origin = bench.origin()
    origin.says(CHUNKED + b"1\r\na\r\n")
    client.transport.buffered = 100_000
    client.transport.producer.pauseProducing()
    for _ in range(4):
        bench.advance(5)
        client.transport.buffered -= 1000
    assert client.transport.connected
    client.transport.producer.resumeProducing()
    bench.advance(4)
    assert client.transport.connected
    bench.advance(4)
    assert client.transport.ended == "aborted"


# Ends that are none.


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_broken_before_the_answer(bench: Any, begun: bytes) -> None:
    """
    502, counted against the server, and the client's connection stays.
    """
    client = bench.client()
    client.say(GET)
    origin = bench.origin()
    origin.hears()
    origin.says(begun)
    origin.closes()
    assert statuses(client.hears()) == [502]
    assert client.transport.connected
    assert bench.app.failures == 1
    assert bench.app.outstanding == 0


def test_broken_inside_the_content(bench: Any) -> None:
    """
    What is out must not look whole: the client's connection is aborted.
    """
    client = bench.client()
    client.say(GET)
    origin = bench.origin()
    origin.says(CHUNKED + b"1\r\na\r\n")
    client.hears()
    origin.closes()
    assert (client.hears(), client.transport.ended) == (b"", "aborted")
    assert client.transport.producer is None
    assert client.channel.exchange is None
    assert bench.counters.requests["default", "GET", 200] == 1


def test_a_head_that_nothing_follows_is_not_sent(bench: Any) -> None:
    """
    A response whose head came with broken content becomes a 502: nothing of it is out yet.
    """
    client = bench.client()
    client.say(GET)
    bench.origin().says(CHUNKED + b"nonsense\r\n")
    assert statuses(client.hears()) == [502]


def test_both_sides_end_at_once(bench: Any) -> None:
    """
    In one batch of events, in either order: accounted for once, and nobody is answered.
    """
    for order in (0, 1):
        client = bench.client()
        client.say(GET)
        origin = bench.origin()
        origin.hears()
        [connection] = bench.app._open
        ends = [client.channel.connectionLost, lambda c=connection: c.transport.abortConnection()]
        ends[order]()
        ends[1 - order]()
        bench.spin()
        assert (bench.app.outstanding, bench.app.active) == (0, 0)
    assert sum(bench.counters.requests.values()) == 2


# Retries.


def reused(bench: Any) -> tuple[Any, Any]:
    """
    A client and an origin whose connection has served once.
    """
    client = bench.client()
    client.say(GET)
    origin = bench.origin()
    origin.says(OK)
    client.hears()
    return client, origin


@pytest.mark.parametrize(
    ("request_", "again"),
    [
        (GET, True),
        (PUT + b"Content-Length: 2\r\n\r\nab", True),
        (PUT + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-T: 1\r\n\r\n", True),
        (PUT + b"Content-Length: 9\r\n\r\nab", True),
        (b"POST" + PUT[3:] + b"Content-Length: 2\r\n\r\nab", False),
        (b"PATCH" + PUT[3:] + b"Content-Length: 0\r\n\r\n", False),
        (PUT + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000, False),
    ],
)
def test_what_is_sent_again(bench: Any, request_: bytes, again: bool) -> None:
    """
    An idempotent request whose content is held, on a reused connection that closed without a byte; word for word.
    """
    client, origin = reused(bench)
    origin.hears()
    client.say(request_)
    first = origin.hears()
    origin.closes()
    if again:
        assert client.hears() == b""
        second = bench.origin()
        assert second.hears() == first
        if b"Content-Length: 9" in first:
            client.say(b"cdefghi")
            assert second.hears() == b"cdefghi"
        second.closes()
    assert statuses(client.hears()) == [502]
    assert bench.app.outstanding == 0


def test_not_sent_again_after_a_byte(bench: Any) -> None:
    """
    Whatever the byte was.
    """
    client, origin = reused(bench)
    client.say(GET)
    origin.says(b"H")
    origin.closes()
    assert statuses(client.hears()) == [502]


def test_another_server_is_asked(bench: Any, tmp_path: Path) -> None:
    """
    Where no connection came nothing was sent, so another server may have it, whatever the method.
    """
    gone = Server(url="http+unix:/gone", scheme="http+unix", host="", port=0, path=str(tmp_path / "gone"))
    [there] = bench.app.upstream.servers
    bench.configure(servers=(gone, there), selection=Selection.ROUND_ROBIN, health=Health(failures=99))
    client = bench.client()
    client.say(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
    origin = bench.origin()
    assert origin.hears().endswith(b"ab")
    assert bench.counters.upstream_failures["app", "http+unix:/gone", "upstream-refused"] == 1


def test_a_full_line_is_not_the_only_one(bench: Any, tmp_path: Path) -> None:
    """
    Where the picked server has no room another may have; 503 when none has.
    """
    [there] = bench.app.upstream.servers
    other = Server(url="http+unix:/other", scheme="http+unix", host="", port=0, path=there.path)
    bench.configure(servers=(there, other), selection=Selection.ROUND_ROBIN, max_connections=1, queue=0)
    first, second = next(iter(bench.groups)).pools
    clients = [bench.client() for _ in range(3)]
    clients[0].say(GET)
    bench.origin()
    # The turn is the second server's; take it without asking anything.
    next(iter(bench.groups)).pick(b"")
    clients[1].say(GET)
    bench.origin()
    assert (first.outstanding, second.outstanding) == (1, 1)
    assert statuses(clients[2].say(GET)) == [503]


# The gate's own answers.


@pytest.mark.parametrize(
    ("request_", "status", "closes"),
    [
        (b"GET / HTTP/1.1\r\nHost: b\r\n\r\n", 404, False),
        (b"HEAD / HTTP/1.1\r\nHost: b\r\n\r\n", 404, False),
        (b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404, False),
        (b"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 1\r\n\r\n1", 404, True),
        (b"GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n", 404, True),
        (b"GET / HTTP/1.0\r\nHost: b\r\n\r\n", 404, True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", 417, False),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, True),
        (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, True),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501, True),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, True),
    ],
)
def test_refusals_that_end_the_connection(bench: Any, site: Any, request_: bytes, status: int, closes: bool) -> None:
    """
    Only where it is in doubt what the client's bytes are, or where not all of the request was read.
    """
    bench.configure(site(hosts=("a",)))
    client = bench.client()
    answer = client.say(request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert (b"\r\nConnection: close\r\n" in answer) is closes
    assert (client.transport.ended == "lost") is closes
    client.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert bench.app.outstanding == (not closes)


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE"])
def test_max_forwards(bench: Any, method: bytes) -> None:
    """
    Counted down on the way, answered here when it is used up, refused when it is no number (RFC 9110 section 7.6.2).
    """
    client = bench.client()
    request = b"%b /%%b HTTP/1.1\r\nHost: a\r\nCookie: secret\r\nMax-Forwards: %%b\r\nX: Y\r\n\r\n" % method
    client.say(request % (b"", b"5"))
    origin = bench.origin()
    for sent, passed in ((b"2", b"4"), (b"1", b"1"), (b"2", b"0")):
        assert b"\r\nMax-Forwards: %b\r\nX: Y\r\n" % passed in origin.hears()
        origin.says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        client.hears()
        client.say(request % (b"", sent))
    origin.says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert b"\r\nMax-Forwards: 1\r\n" in origin.hears()
    client.hears()
    answer = client.say(request % (b"last", b"0"))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"secret" not in answer
    told = b"TRACE /last HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n" if method == b"TRACE" else b""
    assert answer.partition(b"\r\n\r\n")[2] == told
    assert (b"\r\nContent-Type: message/http\r\n" in answer) is (method == b"TRACE")
    assert client.say(request % (b"", b"x")).startswith(b"HTTP/1.1 400 ")
    assert origin.hears() == b""


def test_max_forwards_of_other_methods(bench: Any) -> None:
    """
    Passes as it is.
    """
    client = bench.client()
    client.say(b"GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
    assert b"\r\nMax-Forwards: 0\r\n" in bench.origin().hears()


def test_content_too_large(bench: Any, site: Any) -> None:
    """
    413 by its length at once, by its chunks when it is; the upstream is let go.
    """
    bench.configure(site(max_body=4))
    client = bench.client()
    assert statuses(client.say(PUT + b"Content-Length: 5\r\n\r\n")) == [413]
    client = bench.client()
    client.say(PUT + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n")
    origin = bench.origin()
    assert origin.hears().endswith(b"abcd\r\n")
    assert statuses(client.say(b"1\r\ne\r\n")) == [413]
    assert origin.is_left()
    assert (client.transport.ended, bench.app.outstanding) == ("lost", 0)
    assert bench.counters.refused == {"content-too-large": 2}


def test_no_place_in_line(bench: Any) -> None:
    """
    503 with a time to come back, at once or after the time in line; each is counted.
    """
    bench.configure(max_connections=1, queue=1, queue_timeout=3.0)
    running, waiting, late = bench.client(), bench.client(), bench.client()
    running.say(GET)
    bench.origin()
    assert waiting.say(GET) == b""
    at_once = late.say(GET)
    bench.advance(4)
    for answer in (at_once, waiting.hears()):
        assert statuses(answer) == [503]
        assert b"\r\nRetry-After: 5\r\n" in answer
    assert bench.counters.refused == {"upstream-unavailable": 2}


def test_malformed_content(bench: Any) -> None:
    """
    400, and the request never completes at the origin.
    """
    client = bench.client()
    client.say(PUT + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    origin = bench.origin()
    origin.hears()
    assert statuses(client.say(b"0x1\r\n")) == [400]
    assert origin.is_left()
    assert bench.counters.refused["chunk-size"] == 1


def test_interim_responses_are_counted(bench: Any) -> None:
    """
    A flood of them is nonsense.
    """
    bench.configure(limits=Limits(interim=3))
    client = bench.client()
    client.say(GET)
    origin = bench.origin()
    origin.says(b"HTTP/1.1 103 Hints\r\n\r\n" * 4)
    assert statuses(client.hears()) == [103, 103, 103, 502]
    assert origin.is_left()


def test_a_refusal_kept_with_the_fields_keeps_no_traceback(bench: Any) -> None:
    """
    A refused request repeated on one connection costs no more each time.
    """
    loop = b"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 gate-test\r\n\r\n"
    client = bench.client()
    assert statuses(client.say(loop * 5)) == [508] * 5
    assert client.channel.reader.buffered == 0
    assert client.transport.connected


def test_expectations(bench: Any) -> None:
    """
    The wait for 100 is the origin's to end: the client is not blamed for its silence, the origin is in the end.
    """
    bench.configure(timeouts=Timeouts(body=3.0, first_byte=20.0), limits=Limits(body_rate_window=3.0))
    client = bench.client()
    client.say(PUT + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    origin = bench.origin()
    bench.advance(10)
    assert client.hears() == b""
    origin.says(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert statuses(client.hears()) == [100]
    bench.advance(8)
    assert statuses(client.hears()) == [408]
    client = bench.client()
    client.say(PUT + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    bench.origin()
    bench.advance(30)
    assert statuses(client.hears()) == [504]


def test_an_early_answer_ends_the_connection(bench: Any) -> None:
    """
    The rest of the request must not become the next one.
    """
    client = bench.client()
    client.say(PUT + b"Content-Length: 20\r\n\r\nGET ")
    origin = bench.origin()
    origin.says(OK)
    answer = client.hears()
    assert statuses(answer) == [200]
    assert b"\r\nConnection: close\r\n" in answer
    assert client.say(b"/ HTTP/1.1\r\nHost: a\r\n\r\n") == b""
    assert origin.is_left()
    assert (bench.app.idle, bench.app.outstanding) == (0, 0)


def test_an_answer_while_the_request_goes_on(bench: Any) -> None:
    """
    The response's own time counts once the request is complete.
    """
    bench.configure(timeouts=Timeouts(body=5.0, first_byte=100.0))
    client = bench.client()
    client.say(PUT + b"Content-Length: 2\r\n\r\na")
    origin = bench.origin()
    origin.says(CHUNKED + b"1\r\na\r\n")
    client.say(b"b")
    bench.advance(8)
    assert client.transport.ended == "aborted"


def test_a_mistake_of_ours_leaves_nobody_waiting(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An exception in one exchange ends its client; the upstream's connection and the accounting survive.
    """
    client, other = bench.client(), bench.client()
    client.say(GET)
    origin = bench.origin()
    monkeypatch.setattr(type(bench.counters), "observe", lambda *_: 1 / 0)
    origin.says(OK)
    assert client.transport.ended == "aborted"
    monkeypatch.undo()
    assert bench.app.outstanding == 0
    other.say(GET)
    origin.says(OK)
    assert statuses(other.hears()) == [200]


def test_the_addresses_for_a_proxy_header(bench: Any) -> None:
    """
    The client's and the one it came to; none of a UNIX socket.
    """
    client = bench.client()
    client.say(GET)
    assert client.channel.exchange.proxied_addresses == (("192.0.2.1", 5000), ("192.0.2.9", 443))
    client.transport.host = "/socket"
    assert client.channel.exchange.proxied_addresses == (None, None)
    assert repr(client.channel) == "<Channel 192.0.2.1 <Exchange GET /x unanswered>>"
