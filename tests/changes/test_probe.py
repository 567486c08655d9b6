"""
Walking real ways, over loopback.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface.verify import verifyObject

from tlsgate.certificates import self_signed
from tlsgate.changes import IProbe, Probe
from tlsgate.changes._paths import Path
from tlsgate.problems import Problem
from tlsgate.sites import Binding, Redirect, RedirectMode, Scheme, Site

CERTIFICATE = self_signed("default", ["localhost", "shop.test"], now=time.time())


class Server:
    """
    Answers every TLS connection with the same bytes.

    @ivar answer: C{None} to close at once after the handshake, C{b""} to say nothing.
    @ivar heads: the requests it got.
    """

    def __init__(self, folder: FilePath) -> None:
        (folder / "pair.pem").write_bytes(CERTIFICATE.chain + CERTIFICATE.key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "pair.pem")
        self.answer: bytes | None = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.heads: list[bytes] = []
        self.names: list[str | None] = []
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True) as secured:
                    if self.answer is None:
                        continue
                    self.heads.append(secured.recv(4096))
                    if self.answer:
                        secured.sendall(self.answer)
                    secured.recv(1)
            except OSError:
                connection.close()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


@pytest.fixture
def server(tmp_path: FilePath) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.close()


def path(server: Server, **more: Any) -> Path:
    fields: dict[str, Any] = {
        "binding": Binding(name="https", scheme=Scheme.HTTPS, endpoint=f"tcp:{server.port}:interface=127.0.0.1"),
        "site": Site(name="shop", hosts=("shop.test",), upstream="app", redirect=Redirect(mode=RedirectMode.ALL)),
        "server_name": "shop.test",
        "fingerprints": frozenset({CERTIFICATE.fingerprint}),
        "through": True,
    }
    return Path(**{**fields, **more})


def probe(server: Server) -> Probe:
    return Probe(lambda: {"https": server.port}, maybeDeferred, timeout=0.5)


def failed(server: Server, walked: Path, *, held: bool = True) -> str:
    """
    The step that fails; empty if none does.

    @param held: was the way open before?
    """
    found: list[Any] = []
    prober = probe(server)
    already = {}
    if not held:
        Deferred.fromCoroutine(prober.failing([walked])).addCallback(already.update)
    Deferred.fromCoroutine(prober.prove([walked], already)).addErrback(found.append)
    if not found:
        return ""
    assert isinstance(found[0].value, Problem)
    assert found[0].value.code == "would-lock-out"
    return str(found[0].value.extra["step"])


def test_an_open_way_is_walked(server: Server) -> None:
    """
    The probe asks for the site by name, in the handshake and in the request.
    """
    assert verifyObject(IProbe, probe(server))
    assert failed(server, path(server)) == ""
    assert server.names == ["shop.test"]
    assert server.heads[0].startswith(b"HEAD / HTTP/1.1\r\nHost: shop.test\r\n")


def test_other_names_are_asked_for_without_a_name(server: Server) -> None:
    """
    For a site of all others no server name is sent.
    """
    assert failed(server, path(server, server_name="", through=False)) == ""
    assert server.names == [None]


def test_nobody_listens(server: Server) -> None:
    """
    A closed port fails the first step.
    """
    walked = path(server)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    closed = attrs.evolve(walked, binding=attrs.evolve(walked.binding, endpoint=f"tcp:{port}"))
    server_port, server.port = server.port, port
    assert failed(server, closed) == "tcp"
    server.port = server_port


def test_no_tls(server: Server) -> None:
    """
    A listener that does not finish the handshake fails the second step.
    """
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert failed(server, path(server)) == "handshake"


def test_another_certificate_answers(server: Server) -> None:
    """
    It must be the certificate that the change meant.
    """
    assert failed(server, path(server, fingerprints=frozenset({"ab" * 32}))) == "certificate"


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        (None, "http"),
        (b"SSH-2.0-nonsense\r\n\r\n", "http"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "upstream"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "upstream"),
        (b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n", "upstream"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://shop.test/login\r\n\r\n", "loop"),
        (b"HTTP/1.1 302 Found\r\nLocation: https://shop.test/login\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ""),
        (b"", ""),
    ],
)
def test_what_answers_counts(server: Server, answer: bytes | None, step: str) -> None:
    """
    An upstream that does not answer or sends browsers in circles fails the walk; errors of its own and slowness do not;
    and nothing that failed before is held against the change.
    """
    server.answer = answer
    assert failed(server, path(server)) == step
    assert failed(server, path(server), held=False) == ""


def test_what_cannot_be_walked_is_open(server: Server) -> None:
    """
    Where systemd bound, or a binding without a port, is not known here.
    """
    walked = path(server)
    for endpoint in ("systemd:domain=INET:index=0", "tcp:0"):
        binding = attrs.evolve(walked.binding, name="other", endpoint=endpoint)
        assert failed(server, attrs.evolve(walked, binding=binding)) == ""
