"""
The listener's bounds: content, connections, time.
"""

import json

import pytest
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

HEAD = (
    b"POST /app/https/settings/uploadCertificate HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n"
)
MIB = 1024 * 1024


def test_too_large_by_its_length(gate) -> None:
    """
    A content that says it is too large is refused before it is sent.
    """
    channel, wire = gate.connect("unix")
    channel.dataReceived(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (MIB + 1))
    assert wire.value().startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in wire.value()
    assert b"too-large" in wire.value()
    channel.dataReceived(b"x" * (MIB + 1))
    assert wire.disconnecting
    assert wire.value().count(b"HTTP/1.1") == 1
    assert gate.call("GET", "/api/v1/audit?code=too-large").json["records"][0]["status"] == 413


def test_too_large_without_a_length(gate) -> None:
    """
    A chunked content is refused when it passes the limit, and what follows is not kept.
    """
    channel, wire = gate.connect("unix")
    channel.dataReceived(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for _ in range(17):
        channel.dataReceived(chunk)
    assert wire.value().startswith(b"HTTP/1.1 413 ")
    for _ in range(130):
        channel.dataReceived(chunk)
    assert wire.aborted


def test_exactly_the_limit(gate) -> None:
    """
    A content of 1 MiB is read.
    """
    reply = gate.call("PUT", "/api/v1/settings", b" " * MIB)
    assert reply.code == "malformed-json"


IMPORT = (
    b"POST /api/v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Expect: 100-continue\r\n"
)


def test_more_for_whom_may(gate) -> None:
    """
    An operation that takes large contents takes them from whom may use it; others are told before they send.
    """
    length = b"Content-Length: %d\r\n" % (3 * MIB)
    reader = gate.token("view_settings").encode()
    assert gate.raw(IMPORT + length + b"\r\n").code == "token-missing"
    assert gate.raw(IMPORT + length + b"Authorization: Bearer %b\r\n\r\n" % reader).code == "permission-missing"
    channel, wire = gate.connect("unix")
    channel.dataReceived(IMPORT + length + b"\r\n")
    assert wire.value() == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.clear()
    for _ in range(70):
        gate.clock.advance(1)
    channel.dataReceived(b"x" * 3 * MIB)
    assert b"malformed-multipart" in wire.value()


def test_no_more_than_an_operation_takes(gate) -> None:
    """
    What takes more than others has its own limit, also without a length, and others cannot grow past theirs.
    """
    reply = gate.raw(IMPORT + b"Content-Length: %d\r\n\r\n" % (64 * MIB + 1), peer="unix")
    assert (reply.status, reply.code) == (413, "too-large")
    channel, wire = gate.connect()
    channel.dataReceived(IMPORT + b"Transfer-Encoding: chunked\r\n\r\n")
    wire.clear()
    for _ in range(17):
        channel.dataReceived(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    assert b"token-missing" in wire.value()


def test_continue(gate) -> None:
    """
    A client that waits for 100 (Continue) gets it.
    """
    channel, wire = gate.connect("unix")
    channel.dataReceived(HEAD + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert wire.value() == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_silence(gate) -> None:
    """
    Who says nothing, or says it too slowly, is dropped.
    """
    _, wire = gate.connect()
    slow, slow_wire = gate.connect()
    for _ in range(16):
        slow.dataReceived(b"G")
        gate.clock.advance(1)
    assert wire.aborted
    assert slow_wire.aborted


def test_slow_content(gate) -> None:
    """
    A content that dribbles in has a minute.
    """
    channel, wire = gate.connect("unix")
    channel.dataReceived(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _ in range(61):
        channel.dataReceived(b"x")
        gate.clock.advance(1)
    assert wire.aborted


def test_at_most_256_connections(gate) -> None:
    """
    One connection too many is dropped; a peer of the UNIX socket still gets in.
    """
    held = [gate.connect() for _ in range(256)]
    late, wire = gate.connect()
    assert wire.aborted
    late.connectionLost(Failure(ConnectionDone()))
    assert gate.call("GET", "/healthz").status == 200
    held[0][0].connectionLost(Failure(ConnectionDone()))
    _, wire = gate.connect()
    assert not wire.aborted


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n", "request line"),
        (b"GET\r\n", "request line"),
        (b"\r\nGET /\r\n", "request line"),
        (b"GET / HTTP/9\r\n", "request line"),
        (b"PRI * HTTP/2.0\r\n", "request line"),
        (b"GET /" + b"x" * 20_000, "request line"),
        (b"GET / HTTP/1.1\r\nHost\r\n\r\n", "head"),
        (b"GET / HTTP/1.1\r\nHo st: localhost\r\n\r\n", "head"),
        (b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n", "head"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, "head"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 102 + b"\r\n", "head"),
        (b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 9_000 + b"\r\n") * 4, "head"),
        (b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", "head"),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "head"),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "head"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "head"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "content"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "content"),
    ],
)
def test_what_is_no_request(gate, data: bytes, part: str) -> None:
    """
    What is no HTTP is told so in a problem document, however it is cut, and the connection ends.
    """
    for step in (len(data), 7):
        channel, wire = gate.connect("unix")
        for start in range(0, len(data), step):
            channel.dataReceived(data[start : start + step])
            if wire.disconnecting:
                break
        head, _, content = wire.value().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"Content-Type: application/problem+json\r\n" in head
        document = json.loads(content)
        assert (document["status"], document["code"]) == (400, "malformed-request")
        assert part in document["detail"]
        assert wire.disconnecting


def test_one_answer_only(gate) -> None:
    """
    Content that turns out to be malformed after its request was refused is not answered a second time.
    """
    channel, wire = gate.connect("unix")
    channel.dataReceived(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(17):
        channel.dataReceived(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    channel.dataReceived(b"nonsense\r\n")
    assert wire.value().count(b"HTTP/1.1") == 1
    assert wire.value().startswith(b"HTTP/1.1 413 ")
    assert wire.disconnecting
