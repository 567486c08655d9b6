"""
The listeners, on real sockets of this machine.
"""

import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.trial.unittest import TestCase

from tlsgate.admin import AdminTLS, admin_names, listen_on_socket, listen_with_tls
from tlsgate.admin._web import AdminSite
from tlsgate.certificates import LocalAuthority

REQUEST = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Service:
    """
    Answers with who asked.
    """

    async def answer(self, received: Any) -> Any:
        from tlsgate.admin import Answer

        return Answer(document={"address": received.peer.address, "user": received.peer.user})


class Asking(Protocol):
    def __init__(self) -> None:
        self.seen = b""
        self.done: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(REQUEST)

    def dataReceived(self, data: bytes) -> None:
        self.seen += data

    def connectionLost(self, reason: Any = None) -> None:
        self.done.callback(self.seen)


class ListeningTests(TestCase):
    """
    Each listener answers, and knows who asks.
    """

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        # Short and outside the working folder: a UNIX socket's name has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.site = AdminSite(Service(), self.reactor, clock=self.reactor.seconds)  # type: ignore[arg-type]  # answers alike

    async def test_tls(self) -> None:
        """
        A client that trusts the local CA reaches the API under localhost.
        """
        authority = LocalAuthority.load_or_create(self.folder)
        tls = AdminTLS(authority, wall=time.time)
        port: Any = await listen_with_tls(self.reactor, "tcp:0:interface=127.0.0.1", self.site, tls)
        self.addCleanup(port.stopListening)
        trust = trustRootFromCertificates([Certificate.loadPEM((self.folder / "admin-ca.pem").read_bytes())])
        plain = HostnameEndpoint(self.reactor, "127.0.0.1", port.getHost().port)
        secure = wrapClientTLS(optionsForClientTLS("localhost", trustRoot=trust), plain)
        asking = await connectProtocol(secure, Asking())
        self.assertIn(b'{"address": "127.0.0.1", "user": ""}', await asking.done)

    async def test_socket(self) -> None:
        """
        The UNIX socket is its owner's only, and tells the user's name.
        """
        import os
        import pwd

        port = listen_on_socket(self.reactor, self.folder, self.site)
        self.addCleanup(port.stopListening)
        path = self.folder / "admin.sock"
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        asking = await connectProtocol(UNIXClientEndpoint(self.reactor, str(path)), Asking())
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.assertIn(f'"user": "{user}"'.encode(), await asking.done)

    async def test_one_gate_for_a_folder(self) -> None:
        """
        A socket on which a gate listens is left alone.
        """
        port = listen_on_socket(self.reactor, self.folder, self.site)
        self.addCleanup(port.stopListening)
        with pytest.raises(FileExistsError, match="another gate"):
            listen_on_socket(self.reactor, self.folder, self.site)

    async def test_stale_socket(self) -> None:
        """
        A socket left behind is replaced; another kind of file is not.
        """
        path = self.folder / "admin.sock"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        port: Any = listen_on_socket(self.reactor, self.folder, self.site)
        await port.stopListening()
        path.write_text("mine")
        with pytest.raises(FileExistsError, match="not a socket"):
            listen_on_socket(self.reactor, self.folder, self.site)


def test_names() -> None:
    """
    The certificate is for loopback and this machine; what cannot stand in it is left out.
    """
    names = admin_names(["Gate.Example.", "bad_name", "localhost"])
    assert names[:3] == ("localhost", "127.0.0.1", "::1")
    assert "gate.example" in names
    assert "bad_name" not in names
