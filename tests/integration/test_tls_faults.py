"""
Clients that break TLS on a real gate: each is closed, none costs anything afterwards, and the gate answers others.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Iterator

import pytest
from _clients import connect, connect_tls, unverified
from _gate import GateProcess
from _origin import Origin
from _process import cpu_seconds, descriptors
from _raw import exactly, message, until, until_closed
from OpenSSL import SSL

GET = b"GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n"

#: What no client is told about: content types of TLS records (RFC 8446 section 5.1, RFC 6520).
ALERT, HANDSHAKE, APPLICATION, HEARTBEAT = 21, 22, 23, 24


def record(kind: int, content: bytes, length: int | None = None) -> bytes:
    """
    A TLS record.

    @param length: what its header says, if not the truth.
    """
    return b"%c\x03\x03%b%b" % (kind, (len(content) if length is None else length).to_bytes(2, "big"), content)


@pytest.fixture(scope="module")
def gate(module_origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateProcess]:
    """
    A gate with little patience.
    """
    initial = "[timeouts]\nhandshake = 3\nhead = 3\n"
    running = GateProcess(tmp_path_factory.mktemp("gate"), module_origin.url, initial=initial).start()
    yield running
    running.stop(timeout=10)


@pytest.fixture(autouse=True)
def _unharmed(gate: GateProcess) -> Iterator[None]:
    """
    Whatever was sent: no descriptor is kept, nothing spins, and others are answered.
    """
    assert gate.process is not None
    pid = gate.process.pid
    assert gate.get("/before").status == 200
    before = descriptors(pid)
    yield
    assert until(lambda: descriptors(pid) <= before, 10), f"{descriptors(pid)} descriptors, {before} before"
    used = cpu_seconds(pid)
    time.sleep(0.5)
    assert cpu_seconds(pid) - used < 0.25
    assert gate.get("/after").status == 200


class Client:
    """
    A TLS client whose records can be tampered with on their way.
    """

    def __init__(self, port: int, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        context = unverified()
        context.maximum_version = version
        self.sock = connect(port)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")

    def hello(self) -> bytes:
        """
        The first flight.
        """
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._out.read()

    def shake_hands(self) -> None:
        """
        Until the handshake is done on this side, and its last flight is sent.
        """
        self.sock.sendall(self.hello())
        while True:
            self._in.write(self.sock.recv(65536))
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.sock.sendall(self._out.read())
            else:
                self.sock.sendall(self._out.read())
                return

    def records(self, content: bytes) -> bytes:
        """
        Content as it would be sent.
        """
        self.tls.write(content)
        return self._out.read()


def test_a_client_hello_cut_at_every_byte(gate: GateProcess) -> None:
    """
    A client that ends there is closed; it gets an alert at most.
    """
    hello = Client(gate.https).hello()
    assert len(hello) > 200
    for begin in range(0, len(hello), 50):
        clients = []
        for cut in range(begin, min(begin + 50, len(hello))):
            client = connect(gate.https)
            client.sendall(hello[:cut])
            client.shutdown(socket.SHUT_WR)
            clients.append(client)
        for client in clients:
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                answer = exactly(client, 1000)
            assert answer == b"" or answer[0] == ALERT
            client.close()


def test_a_client_hello_that_stops_anywhere(gate: GateProcess) -> None:
    """
    A client that waits there is closed when the time of a handshake is over, and waiting costs nothing.
    """
    assert gate.process is not None
    hello = Client(gate.https).hello()
    cuts = (0, 1, 2, 3, 4, 5, 6, 9, 10, 43, 44, len(hello) // 2, len(hello) - 1)
    clients = []
    for cut in cuts:
        client = connect(gate.https)
        client.sendall(hello[:cut])
        clients.append(client)
    used = cpu_seconds(gate.process.pid)
    for cut, client in zip(cuts, clients, strict=True):
        assert until_closed(client, 15) is not None, cut
        client.close()
    assert cpu_seconds(gate.process.pid) - used < 0.5


#: What begins no handshake.
NO_HANDSHAKE = [
    bytes(200),
    b"\xff" * 200,
    b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x01\x00\x80" + bytes(40),
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x16\x03\x01\x00\x00" * 2000,
    b"\x16\x03\x01\xff\xff" + b"x" * 70_000,
    record(HANDSHAKE, b"\x01\xff\xff\xff" + b"x" * 500) * 40,
    record(HANDSHAKE, b"\x02\x00\x00\x02\x03\x03"),
    record(HANDSHAKE, b"\x01\x00\x00\x02\x03\x03"),
    record(HANDSHAKE, bytes(4000)),
    record(ALERT, b"\x02\x28"),
    record(APPLICATION, b"x" * 100),
    record(HEARTBEAT, b"\x01\x40\x00"),
    b"\x14\x03\x03\x00\x01\x01" * 1000,
]


def test_what_is_no_handshake(gate: GateProcess) -> None:
    """
    It is closed at once or when a handshake's time is over, with nothing that could be taken for an answer.
    """
    clients = [connect(gate.https) for _ in NO_HANDSHAKE]
    for client, sent in zip(clients, NO_HANDSHAKE, strict=True):
        with contextlib.suppress(OSError):
            client.sendall(sent)
    for client, sent in zip(clients, NO_HANDSHAKE, strict=True):
        client.settimeout(15)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = exactly(client, 10_000)
        assert answer == b"" or answer[0] == ALERT, (sent[:20], answer)
        client.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_no_record(gate: GateProcess, version: ssl.TLSVersion) -> None:
    """
    After the handshake, in the middle of a connection that was used: closed at once.
    """

    def faulty(fault: str, client: Client) -> bytes:
        good = client.records(GET)
        return {
            "plain": GET,
            "flipped": good[:-1] + bytes([good[-1] ^ 1]),
            "oversized": record(APPLICATION, b"x" * 20_000),
            "heartbeat": record(HEARTBEAT, b"\x01\x40\x00"),
            "handshake": record(HANDSHAKE, b"\x01\x00\x00\x02\x03\x03"),
            "empty": record(APPLICATION, b"") * 100,
        }[fault]

    for fault in ("plain", "flipped", "oversized", "heartbeat", "handshake", "empty"):
        client = Client(gate.https, version)
        with client.sock as sock:
            client.shake_hands()
            sock.sendall(client.records(GET))
            assert select.select([sock], [], [], 5)[0]
            sock.sendall(faulty(fault, client))
            took = until_closed(sock, 5)
            assert took is not None, fault
            assert took < 1, fault


@pytest.mark.parametrize("sent", [b"", b"GET /half HTTP/1.1\r\nHo"])
def test_an_end_without_close_notify(gate: GateProcess, sent: bytes) -> None:
    """
    Closed, too; half a request is none.
    """
    client = Client(gate.https)
    with client.sock as sock:
        client.shake_hands()
        if sent:
            sock.sendall(client.records(sent))
        sock.shutdown(socket.SHUT_WR)
        assert until_closed(sock, 5) is not None


def test_renegotiation(gate: GateProcess) -> None:
    """
    A client that wants to renegotiate, once or again and again, is not followed.
    """
    context = SSL.Context(SSL.TLSv1_2_METHOD)
    with connect(gate.https) as sock:
        sock.setblocking(True)
        client = SSL.Connection(context, sock)
        client.set_connect_state()
        client.do_handshake()
        client.sendall(GET)
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        finished = client.get_finished()
        with contextlib.suppress(SSL.Error):
            for _ in range(20):
                client.renegotiate()
                client.do_handshake()
                client.sendall(GET)
                client.recv(65536)
        assert client.get_finished() == finished


def test_handshakes_that_are_given_up(gate: GateProcess) -> None:
    """
    Clients that leave after the gate's first flight, in order or by a reset, while another one is served.
    """
    with connect_tls(gate.https) as other:
        for number in range(60):
            client = Client(gate.https)
            client.sock.sendall(client.hello())
            if number % 3:
                assert client.sock.recv(1)
            client.sock.close()
            if number % 20 == 0:
                other.sendall(GET)
                assert message(other)[0].startswith(b"HTTP/1.1 200")


#: What no DNS name looks like, or only almost.
ODD_NAMES = [
    b"a" * 255,
    b"LOCALHOST",
    b"localhost.",
    b".localhost",
    b"local..host",
    b"*",
    b"127.0.0.1",
    b"[::1]",
    b"local host",
    b"\xff\xfe",
    "höst".encode(),
    b"../../etc/passwd",
    b"a\nb",
]


def test_odd_server_names(gate: GateProcess) -> None:
    """
    Get the default certificate, and an answer: only a strict binding refuses names.
    """
    for name in ODD_NAMES:
        with connect(gate.https) as sock:
            sock.setblocking(True)
            client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), sock)
            client.set_connect_state()
            client.set_tlsext_host_name(name)
            client.do_handshake()
            client.sendall(GET)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 "), name
            client.shutdown()
