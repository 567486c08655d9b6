"""
Tests for L{tlsgate.listeners._service}.
"""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from twisted.logger import capturedLogs

from tlsgate.counters import Counters
from tlsgate.listeners import BindingListener, ListeningSocket
from tlsgate.sites import Binding, Scheme
from tlsgate.tls import CertificateSelector, Terminator

HTTP = Binding(name="http", scheme=Scheme.HTTP, endpoint="tcp:0")
HTTPS = Binding(name="https", scheme=Scheme.HTTPS, endpoint="tcp:0")


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


def test_connections_are_counted_in_and_out(loop: Any, listening: ListeningSocket, serve: Any) -> None:
    """A client is in the gauge from accept to its end, and its protocol is at hand meanwhile."""
    service, counters = serve()
    with connect(listening) as client:
        assert loop.run(lambda: client.recv(100)) == b"hello 127.0.0.1\n"
        assert (service.connections, counters.connections["http"]) == (1, 1)
        assert [protocol.peer for protocol in service.protocols()] == [client.getsockname()]
    loop.until(lambda: not service.connections)
    assert counters.connections["http"] == 0
    assert counters.connections_accepted["http"] == 1
    assert list(service.protocols()) == []


def test_stop_accepting_keeps_the_socket(loop: Any, listening: ListeningSocket, serve: Any) -> None:
    """After stop_accepting clients wait in the kernel, for another process or the next start."""
    service, _ = serve()
    with connect(listening) as first:
        loop.run(lambda: first.recv(100))
        service.stop_accepting()
        with connect(listening) as second:
            for _ in range(5):
                loop.turn()
            assert service.connections == 1
            service.start()
            assert loop.run(lambda: second.recv(100)).startswith(b"hello")


def test_who_waits_is_let_in_before_the_socket_closes(loop: Any, listening: ListeningSocket, serve: Any) -> None:
    """Connections that the kernel has taken already are served to their end; new ones are refused."""
    service, _ = serve()
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(listening)) for _ in range(70)]
        service.leave()
        assert service.connections == 70
        for client in clients:
            assert loop.run(lambda client=client: client.recv(100)).startswith(b"hello")
        with pytest.raises(ConnectionRefusedError):
            connect(listening)


@pytest.mark.parametrize("expected", [True, False])
def test_a_socket_that_another_process_closes(
    loop: Any, listening: ListeningSocket, serve: Any, expected: bool
) -> None:
    """Clients are taken until then; it is logged if nobody expected it."""
    service, _ = serve()
    if expected:
        service.prepare_to_leave()
    with connect(listening) as client, capturedLogs() as told:
        assert loop.run(lambda: client.recv(100)).startswith(b"hello")
        listening.socket.shutdown(socket.SHUT_RDWR)
        loop.until(lambda: not service.accepting)
        assert bool(told) is not expected
        assert service.connections == 1
        service.leave()


def test_abort_closes_all(loop: Any, listening: ListeningSocket, serve: Any) -> None:
    """Abort closes the socket and every connection."""
    service, _ = serve()
    with connect(listening) as client:
        loop.run(lambda: client.recv(100))
        service.abort()
        with pytest.raises(ConnectionResetError):
            loop.run(lambda: client.recv(100))
    assert service.connections == 0
    with pytest.raises(ConnectionRefusedError):
        connect(listening)


def test_update_checks_what_belongs_together(loop: Any, listening: ListeningSocket, echo: Callable[..., Any]) -> None:
    """A scheme without its terminator, a terminator without its scheme and another name are refused."""
    service = BindingListener(loop.hub, listening, HTTP, build_channel=echo, counters=Counters())
    terminator = Terminator(CertificateSelector({}))
    for binding, given in (
        (HTTPS, None),
        (HTTP, terminator),
        (Binding(name="x", scheme=Scheme.HTTP, endpoint=""), None),
    ):
        with pytest.raises(ValueError, match="binding"):
            service.update(binding, terminator=given)
    assert service.binding is HTTP
