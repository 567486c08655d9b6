"""
The origin that integration tests stand on does what it is told.
"""

from __future__ import annotations

import pytest
from _clients import connect, converse
from _origin import Origin, echo, pieces, reset, response


def test_keeps_connections_and_records_requests(origin: Origin) -> None:
    """
    Two requests on one connection are recorded in order, chunked content unframed, trailers kept.
    """
    origin.answer("/hello", response(200, b"hi"))
    seen = converse(
        connect(origin.port),
        b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
        timeout=0.5,
    )
    assert seen.received.count(b"HTTP/1.1 200") == 2
    assert [(r.method, r.target, r.content, r.trailers) for r in origin.requests] == [
        ("GET", "/hello", b"", ()),
        ("POST", "/chunks", b"abc", (b"T: 1",)),
    ]
    assert origin.connections == 1
    assert origin.requests_for("/hello")[0].all("host") == ["a"]


@pytest.mark.parametrize(
    "answering", [pieces(b"HTTP/1.1 200 OK\r\n", b"\r\npart"), reset(b"HTTP/1.1 200 OK\r\n\r\npart")]
)
def test_breaks_off_where_it_is_told(origin: Origin, answering: object) -> None:
    """
    Pieces and a reset end the connection after their bytes.
    """
    origin.answer("/x", answering)
    seen = converse(connect(origin.port), b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", timeout=5)
    assert seen.closed
    assert seen.received.endswith(b"part")


def test_echoes_what_it_received(origin: Origin) -> None:
    """
    A target without an answer of its own shows the request.
    """
    assert origin.answers.get("/any", echo) is echo
    seen = converse(connect(origin.port), b"GET /any?q=1 HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n", timeout=0.5)
    assert b'"target": "/any?q=1"' in seen.received
    assert b'["X-Y", "z"]' in seen.received
