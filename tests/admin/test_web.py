"""
The listener's bounds: content, connections, time.
"""

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
