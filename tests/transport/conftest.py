"""
Real sockets, driven by hand: the reactor's clock stands still until it is told to go on.
"""

from __future__ import annotations

import datetime
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from zope.interface import implementer

from tlsgate.transport import EpollHub, IEndObserver, StreamTransport, TLSTransport


class HandReactor(Clock):
    """
    A clock that also remembers who wants to read and write.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        self.addReader = self.readers.add
        self.removeReader = self.readers.discard
        self.addWriter = self.writers.add
        self.removeWriter = self.writers.discard


class Recorder(Protocol):
    """
    Keeps what it is told.
    """

    def __init__(self) -> None:
        self.got = bytearray()
        self.pieces: list[int] = []
        self.lost: str | None = None

    def dataReceived(self, data: bytes) -> None:
        assert type(data) is bytes
        self.got += data
        self.pieces.append(len(data))

    def connectionLost(self, reason: Any) -> None:
        assert self.lost is None
        self.lost = reason.type.__name__


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """
    Keeps what it is told, half-closes included.
    """

    def __init__(self) -> None:
        super().__init__()
        self.read_ended = self.write_ended = 0

    def readConnectionLost(self) -> None:
        self.read_ended += 1

    def writeConnectionLost(self) -> None:
        self.write_ended += 1


@implementer(IEndObserver)
class EndObserver(Recorder):
    """
    Keeps how often it was told that its peer has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0

    def peer_ended(self) -> None:
        self.ended += 1


def make_context(server: bool, configure: Callable[[SSL.Context], object] | None = None) -> SSL.Context:
    """
    A context with a certificate made now (server), or one that believes everything (client).
    """
    context = SSL.Context(SSL.TLS_METHOD)
    if server:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gate.test")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        context.use_certificate(certificate)
        context.use_privatekey(key)
    if configure is not None:
        configure(context)
    return context


class Lab:
    """
    One hub, and sockets on it.
    """

    Recorder = Recorder
    HalfCloseable = HalfCloseable
    EndObserver = EndObserver
    Reactor = HandReactor
    make_context = staticmethod(make_context)

    def __init__(self) -> None:
        self.reactor = HandReactor()
        self.hub = EpollHub(self.reactor)
        self.hub.start()
        self.sockets: list[socket.socket] = []
        self.server_context = make_context(True)
        self.client_context = make_context(False)

    def spin(self, done: Callable[[], object] = lambda: False, turns: int = 30) -> None:
        """
        Let the hub read until something is so; that it never is shows in the caller's assertion.

        Who waits for something waits for the kernel too: a window that was closed opens with TCP's timers.
        """
        patience = 0.01 if turns > 100 else 0.0
        for _ in range(turns):
            self.reactor.advance(0)
            select.select([self.hub.fileno()], [], [], patience)
            self.hub.doRead()
            if done():
                return

    def pair(self, family: int = socket.AF_INET, buffer: int = 0) -> tuple[socket.socket, socket.socket]:
        """
        Two connected non-blocking sockets.

        @param buffer: of the first one for sending and of the second for receiving; 0 for the system's choice.
        """
        if family == socket.AF_UNIX:
            near, far = socket.socketpair()
        else:
            host = "127.0.0.1" if family == socket.AF_INET else "::1"
            with socket.create_server((host, 0), family=family) as listening:
                if buffer:
                    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
                near = socket.socket(family)
                if buffer:
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
                near.connect(listening.getsockname())
                far, _ = listening.accept()
        for sock in (near, far):
            sock.setblocking(False)
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.append(sock)
        return near, far

    def stream(self, sock: socket.socket, protocol: Any = None) -> StreamTransport:
        """
        A started transport.
        """
        transport = StreamTransport(self.hub, sock, sock.getpeername(), sock.getsockname())
        transport.start(Recorder() if protocol is None else protocol)
        return transport

    def tls(
        self,
        sock: socket.socket,
        *,
        client: bool = False,
        context: SSL.Context | None = None,
        protocol: Any = None,
        server_name: bytes | None = None,
        timeout: float = 10,
    ) -> tuple[TLSTransport, Any, list[str]]:
        """
        A transport that begins its handshake, its protocol to be, and where it says how that went.
        """
        context = context or (self.client_context if client else self.server_context)
        transport = TLSTransport(
            self.hub, sock, sock.getpeername(), sock.getsockname(), context, client=client, server_name=server_name
        )
        protocol = Recorder() if protocol is None else protocol
        outcomes: list[str] = []
        transport.start(lambda: protocol, lambda _, reason: outcomes.append(reason), timeout)
        return transport, protocol, outcomes

    def close(self) -> None:
        """
        Give everything back.
        """
        self.hub.stop()
        for sock in self.sockets:
            sock.close()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """
    One for each module: descriptors left over by one test must not disturb the next, and hypothesis can use it.
    """
    lab = Lab()
    yield lab
    lab.close()
