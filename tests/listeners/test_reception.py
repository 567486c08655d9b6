"""
Tests for L{tlsgate.listeners._reception}.
"""

import socket
from typing import Any

import pytest

from tlsgate.counters import Counters
from tlsgate.listeners import Admission, BindingListener, ListeningSocket
from tlsgate.sites import Binding, Limits, Scheme

HTTP = Binding(name="http", scheme=Scheme.HTTP, endpoint="tcp:0")


@pytest.fixture
def serve(loop: Any, listening: ListeningSocket, echo: Any) -> Any:
    """
    Starts an http binding.
    """

    def start(**more: Any) -> tuple[BindingListener, Counters]:
        counters = Counters()
        service = BindingListener(loop.hub, listening, HTTP, build_channel=echo, counters=counters, **more)
        service.start()
        return service, counters

    return start


def connect(listening: ListeningSocket) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", listening.port))
    client.settimeout(5)
    return client


def test_total_limit_answers_503(loop: Any, listening: ListeningSocket, serve: Any) -> None:
    """Over the limit a client is told so; when one leaves, the next is served."""
    admission = Admission(Limits(connections=1))
    _, counters = serve(admission=admission)
    with connect(listening) as first:
        loop.run(lambda: first.recv(100))
        with connect(listening) as second:
            answer = loop.run(lambda: b"".join(iter(lambda: second.recv(1000), b"")))
        assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: 1\r\n" in answer
        head, body = answer.split(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert counters.refused["connections"] == 1
    loop.until(lambda: admission.total == 0)
    with connect(listening) as third:
        assert loop.run(lambda: third.recv(100)).startswith(b"hello")


def test_limit_per_address(loop: Any, listening: ListeningSocket, serve: Any) -> None:
    """An address over its own limit is refused and counted, others are not."""
    service, counters = serve(admission=Admission(Limits(connections_per_address=1)))
    with connect(listening) as first, connect(listening) as second:
        loop.run(lambda: first.recv(100))
        assert loop.run(lambda: second.recv(100)).startswith(b"HTTP/1.1 503 ")
        other = socket.create_connection(("127.0.0.1", listening.port), source_address=("127.0.0.2", 0))
        with other:
            assert loop.run(lambda: other.recv(100)) == b"hello 127.0.0.2\n"
    assert counters.refused["connections_per_address"] == 1
    loop.until(lambda: service.connections == 0)


def test_a_protocol_that_cannot_be_built_costs_its_connection_only(loop: Any, listening: ListeningSocket) -> None:
    """Whatever building a channel raises, the socket is closed and accepting goes on."""
    counters = Counters()
    builds: list[Any] = []

    def build(peer: Any) -> Any:
        builds.append(peer)
        raise RuntimeError("no channel today")

    service = BindingListener(loop.hub, listening, HTTP, build_channel=build, counters=counters)
    service.start()
    with connect(listening) as client:
        assert loop.run(lambda: client.recv(100)) == b""
    assert counters.connections["http"] == 0
    with connect(listening) as client:
        loop.until(lambda: loop.clock.advance(1) or len(builds) == 2)
