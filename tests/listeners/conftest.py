"""
A hub turned by hand, and real sockets on loopback.
"""

import datetime
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from tlsgate.listeners import ListeningSocket
from tlsgate.sites import ServerCertificate
from tlsgate.transport import make_hub


class HandReactor(Clock):
    """
    What a hub needs of a reactor; time stands still until it is advanced.
    """

    def addReader(self, reader: Any) -> None: ...

    def removeReader(self, reader: Any) -> None: ...


class Loop:
    """
    Turns a hub until something is so.
    """

    def __init__(self) -> None:
        self.clock = HandReactor()
        self.hub = make_hub(self.clock)
        self.hub.start()

    def turn(self, wait: float = 0.0) -> bool:
        ready = select.select([self.hub], [], [], wait)[0]
        if ready:
            self.hub.doRead()
        self.clock.advance(0)
        return bool(ready)

    def until(self, so: Callable[[], Any]) -> None:
        end = time.monotonic() + 10
        while not so():
            assert time.monotonic() < end, "it never came to this"
            self.turn(0.01)

    def run(self, client: Callable[[], Any]) -> Any:
        """
        Turn while a blocking client runs in a thread; its result.
        """
        results: list[Any] = []

        def call() -> None:
            try:
                results.append(client())
            except Exception as reason:
                results.append(reason)

        thread = threading.Thread(target=call)
        thread.start()
        self.until(lambda: not thread.is_alive())
        thread.join()
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]


class Echo(Protocol):
    """
    Greets with the peer it was built for, then echoes in upper case.
    """

    def __init__(self, peer: Any) -> None:
        self.peer = peer

    def connectionMade(self) -> None:
        host = self.peer[0] if isinstance(self.peer, tuple) else "unix"
        self.transport.write(b"hello " + host.encode() + b"\n")

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data.upper())


@pytest.fixture
def loop() -> Iterator[Loop]:
    """
    A hub turned by hand.
    """
    made = Loop()
    yield made
    made.hub.stop()


@pytest.fixture
def listening() -> Iterator[ListeningSocket]:
    """
    A socket that listens on loopback.
    """
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    sock.setblocking(False)
    made = ListeningSocket(sock, "tcp:0:interface=127.0.0.1")
    yield made
    made.close()


@pytest.fixture
def echo() -> Callable[[Any], Protocol]:
    """
    Builds a protocol that tells who it talks to.
    """
    return Echo


def _certificate(name: str) -> ServerCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return ServerCertificate(
        name=name,
        chain=leaf.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        names=(name,),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        key_type="ec-p256",
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
    )


@pytest.fixture(scope="session")
def certificate() -> Callable[[str], ServerCertificate]:
    """
    Makes a self-signed certificate for a name, once for each.
    """
    made: dict[str, ServerCertificate] = {}

    def make(name: str) -> ServerCertificate:
        if name not in made:
            made[name] = _certificate(name)
        return made[name]

    return make
