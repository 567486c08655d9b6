"""
Tests for L{tlsgate.listeners._preface}.
"""

import socket
import ssl
import struct
import time
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import attrs
import pytest
from twisted.internet.protocol import Protocol

from tlsgate.counters import Counters
from tlsgate.listeners import BindingListener, ListeningSocket
from tlsgate.sites import Binding, Scheme, ServerCertificate
from tlsgate.tls import CertificateSelector, Terminator
from tlsgate.transport import encode_proxy_header

LOOPBACK = (ip_network("127.0.0.0/8"),)
CLIENT = ("192.0.2.7", 4711)
SERVICE = ("198.51.100.1", 443)

HTTP = Binding(name="b", scheme=Scheme.HTTP, endpoint="tcp:0")
HTTPS = Binding(name="b", scheme=Scheme.HTTPS, endpoint="tcp:0", default_certificate="a.test")


class Redirecting(Protocol):
    """
    Stands for what answers plain HTTP on an https binding.
    """

    def __init__(self, peer: Any) -> None:
        self.peer = peer

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"308 " + data)
        self.transport.loseConnection()


class Served:
    """
    A binding on loopback and what a test asks of it.
    """

    def __init__(self, loop: Any, listening: ListeningSocket, echo: Any, make: Callable[[str], ServerCertificate]):
        self.loop = loop
        self.listening = listening
        self.counters = Counters()
        self.make = make
        self.echo = echo
        self.service: BindingListener

    def start(self, binding: Binding, *, challenges: dict[str, ServerCertificate] | None = None) -> "Served":
        terminator = None
        if binding.scheme is Scheme.HTTPS:
            selector = CertificateSelector(
                {name: self.make(name) for name in ("a.test", "b.test")},
                default="a.test",
                strict=binding.strict_sni,
            )
            terminator = Terminator(selector)
            terminator.challenges = challenges or {}
        self.terminator = terminator
        self.service = BindingListener(
            self.loop.hub,
            self.listening,
            binding,
            build_channel=self.echo,
            build_plain_on_tls=Redirecting,
            terminator=terminator,
            counters=self.counters,
        )
        self.service.start()
        return self

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.listening.port))
        client.settimeout(8)
        return client

    def talk(self, *pieces: bytes) -> bytes:
        """
        Send pieces one after the other, each seen by the gate, and read to the end.
        """
        with self.connect() as client:
            for piece in pieces:
                client.sendall(piece)
                for _ in range(3):
                    self.loop.turn(0.001)
            try:
                client.shutdown(socket.SHUT_WR)
            except OSError:
                return b"reset"

            def rest() -> bytes:
                try:
                    return b"".join(iter(lambda: client.recv(10000), b""))
                except ConnectionResetError:
                    return b"reset"

            return bytes(self.loop.run(rest))

    def greet(
        self, name: str | None = "a.test", before: bytes = b"", alpn: list[str] | None = None
    ) -> tuple[str, bytes]:
        """
        Shake hands; the certificate's name and the first line.
        """

        def client() -> tuple[str, bytes]:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            if alpn:
                context.set_alpn_protocols(alpn)
            with self.connect() as plain:
                plain.sendall(before)
                with context.wrap_socket(plain, server_hostname=name) as wrapped:
                    shown = wrapped.getpeercert(binary_form=True)
                    assert shown is not None
                    for known in ("a.test", "b.test", "c.test"):
                        if ssl.PEM_cert_to_DER_cert(self.make(known).chain.decode()) == shown:
                            return known, wrapped.recv(100) if not alpn else b""
                    raise AssertionError("an unknown certificate")

        result: tuple[str, bytes] = self.loop.run(client)
        return result


@pytest.fixture
def served(loop: Any, listening: ListeningSocket, echo: Any, certificate: Any) -> Served:
    """
    A binding that is started by the test.
    """
    return Served(loop, listening, echo, certificate)


def hello_bytes(name: str) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


STRICT = attrs.evolve(HTTPS, strict_sni=True)
PROXIED = attrs.evolve(HTTPS, proxy_protocol=LOOPBACK)


@pytest.mark.parametrize("binding", [HTTPS, STRICT])
def test_tls_by_name(served: Served, binding: Binding) -> None:
    """Each server name gets its certificate, whether or not the ClientHello is read first."""
    served.start(binding)
    assert served.greet("b.test") == ("b.test", b"hello 127.0.0.1\n")
    assert served.greet("a.test") == ("a.test", b"hello 127.0.0.1\n")
    assert served.counters.handshakes["TLSv1.3", "ok"] == 2
    served.loop.until(lambda: served.counters.connections["b"] == 0)


def test_unknown_name_refused_where_strict(served: Served) -> None:
    """A strict binding answers an unknown name with the fatal alert unrecognized_name."""
    served.start(STRICT)
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        served.greet("nobody.test")
    assert served.counters.handshake_failures == {"unrecognized-name": 1}
    assert served.counters.handshakes == {("unknown", "failed"): 1}
    assert served.service.connections == 0


def test_unknown_name_gets_the_default(served: Served) -> None:
    """A binding that is not strict serves an unknown name with its default."""
    served.start(HTTPS)
    assert served.greet("nobody.test")[0] == "a.test"


def test_challenge(served: Served) -> None:
    """While a tls-alpn-01 challenge is live, the CA gets its certificate and others theirs."""
    served.start(HTTPS, challenges={"a.test": served.make("c.test")})
    assert served.greet("a.test", alpn=["acme-tls/1"])[0] == "c.test"
    assert served.greet("a.test")[0] == "a.test"


@pytest.mark.parametrize("binding", [HTTPS, STRICT, PROXIED])
def test_plain_http_on_tls(served: Served, binding: Binding) -> None:
    """Plain HTTP on an https binding reaches the protocol that redirects, whole."""
    served.start(binding)
    header = encode_proxy_header(2, CLIENT, SERVICE) if binding is PROXIED else b""
    assert served.talk(header + b"GET / HTTP/1.1\r\n") == b"308 GET / HTTP/1.1\r\n"
    assert served.talk(header + b"\r\nGET /") == b"308 \r\nGET /"
    assert served.counters.handshake_failures == {"plain-http": 2}
    assert served.service.connections == 0


@pytest.mark.parametrize("binding", [HTTPS, STRICT])
@pytest.mark.parametrize("garbage", [b"\x80\x2e\x01\x00\x02", b"\0" * 50, b"\xff"])
def test_garbage_is_closed(served: Served, binding: Binding, garbage: bytes) -> None:
    """What is neither TLS nor HTTP is closed without a word and counted."""
    served.start(binding)
    assert served.talk(garbage) in (b"", b"reset")
    assert served.counters.handshake_failures == {"not-tls": 1}
    assert served.service.connections == 0


@pytest.mark.parametrize("binding", [HTTPS, STRICT, PROXIED])
def test_client_hello_cut_at_each_byte(served: Served, binding: Binding) -> None:
    """However a ClientHello is cut, the handshake goes on with the rest; cut short, it is closed and forgotten."""
    served.start(binding)
    header = encode_proxy_header(1, CLIENT, SERVICE) if binding is PROXIED else b""
    hello = header + hello_bytes("a.test")
    for cut in sorted({*range(1, len(hello), 7), 1, 2, 3, 4, 5, 6, 9, len(header) + 1, len(hello) - 1}):
        with served.connect() as client:
            client.sendall(hello[:cut])
            for _ in range(3):
                served.loop.turn(0.0005)
            client.sendall(hello[cut:])
            first = served.loop.run(lambda: client.recv(3))
        assert first[:2] == b"\x16\x03", cut
    for cut in (1, 3, 6, len(hello) // 2, len(hello) - 1):
        served.talk(hello[:cut])
    served.loop.until(lambda: served.counters.connections["b"] == 0)


@pytest.mark.parametrize("binding", [STRICT, PROXIED])
def test_waiting_does_not_spin(served: Served, binding: Binding) -> None:
    """A client that stops in the middle costs no event until it goes on."""
    served.start(binding)
    started = hello_bytes("a.test")[:100] if binding is STRICT else b"PROXY TCP4"
    with served.connect() as client:
        client.sendall(started)
        served.loop.until(lambda: served.service.connections)
        for _ in range(5):
            served.loop.turn(0.01)
        assert not served.loop.turn(0.05)


@pytest.mark.parametrize(
    ("binding", "said"),
    [
        (HTTPS, b""),
        (HTTPS, b"\x16\x03\x01"),
        (STRICT, b""),
        (STRICT, b"\x16\x03\x01"),
        (PROXIED, b""),
        (PROXIED, b"PROXY "),
    ],
)
def test_timeout(served: Served, binding: Binding, said: bytes) -> None:
    """A client that says too little in the handshake's time is closed and counted."""
    served.start(binding)
    with served.connect() as client:
        client.sendall(said)
        served.loop.until(lambda: served.service.connections)
        for _ in range(3):
            served.loop.turn(0.002)
        for _ in range(13):
            served.loop.clock.advance(1)
        served.loop.until(lambda: not served.service.connections)
    if binding is PROXIED:
        assert served.counters.refused == {"proxy-protocol-timeout": 1}
    else:
        assert served.counters.handshake_failures == {"timeout": 1}


def test_proxy_then_handshake_share_one_deadline(served: Served) -> None:
    """Time spent on the PROXY header is not given again to the handshake."""
    served.start(PROXIED)
    with served.connect() as client:
        served.loop.until(lambda: served.service.connections)
        for _ in range(8):
            served.loop.clock.advance(1)
        client.sendall(encode_proxy_header(1, CLIENT, SERVICE))
        for _ in range(5):
            served.loop.turn(0.002)
        for _ in range(5):
            served.loop.clock.advance(1)
        served.loop.until(lambda: not served.service.connections)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("ends", [(CLIENT, SERVICE), (("2001:db8::7", 1), ("2001:db8::1", 443))])
def test_proxy_header_names_the_client(served: Served, version: int, ends: Any) -> None:
    """From a listed network the header's source is the peer, on http and on https."""
    served.start(attrs.evolve(HTTP, proxy_protocol=LOOPBACK))
    answer = served.talk(encode_proxy_header(version, *ends) + b"abc")
    assert answer == b"hello %s\nABC" % ends[0][0].encode()


def test_proxy_header_before_tls(served: Served) -> None:
    """On an https binding the header comes before the handshake; the destination is the host."""
    served.start(PROXIED)
    assert served.greet("b.test", before=encode_proxy_header(2, CLIENT, SERVICE)) == ("b.test", b"hello 192.0.2.7\n")


def test_proxy_header_cut_at_each_byte(served: Served) -> None:
    """However the header is cut, it is read, and the bytes behind it are the channel's."""
    served.start(attrs.evolve(HTTP, proxy_protocol=LOOPBACK))
    for version in (1, 2):
        whole = encode_proxy_header(version, CLIENT, SERVICE) + b"x"
        for cut in range(1, len(whole)):
            assert served.talk(whole[:cut], whole[cut:]) == b"hello 192.0.2.7\nX"


def test_local_keeps_the_proxys_own_address(served: Served) -> None:
    """LOCAL and UNKNOWN are the proxy speaking for itself: a health check."""
    served.start(attrs.evolve(HTTP, proxy_protocol=LOOPBACK))
    for version in (1, 2):
        assert served.talk(encode_proxy_header(version, None, None)) == b"hello 127.0.0.1\n"


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 nonsense\r\n", b"\x16\x03\x01\x02\x00"])
def test_listed_network_must_send_a_header(served: Served, said: bytes) -> None:
    """Without a header a listed peer is closed: anything else could forge the client's address."""
    served.start(attrs.evolve(HTTP, proxy_protocol=LOOPBACK))
    assert served.talk(said) in (b"", b"reset")
    assert served.counters.refused == {"proxy-protocol-proxy-header": 1}
    assert served.service.connections == 0


def test_unlisted_peers_are_not_believed(served: Served) -> None:
    """From elsewhere a header is plain bytes, for the channel to refuse."""
    served.start(attrs.evolve(HTTP, proxy_protocol=(ip_network("203.0.113.0/24"),)))
    header = encode_proxy_header(1, CLIENT, SERVICE)
    assert served.talk(header) == b"hello 127.0.0.1\n" + header.upper()


def test_two_headers(served: Served) -> None:
    """A second header is the client's own bytes."""
    served.start(attrs.evolve(HTTP, proxy_protocol=LOOPBACK))
    header = encode_proxy_header(1, CLIENT, SERVICE)
    assert served.talk(header + header) == b"hello 192.0.2.7\n" + header.upper()


def test_huge_extension_is_refused(served: Served) -> None:
    """A version 2 header of 64 KiB is refused at once."""
    served.start(attrs.evolve(HTTP, proxy_protocol=LOOPBACK))
    assert served.talk(b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", 65535)) in (b"", b"reset")
    assert served.counters.refused == {"proxy-protocol-proxy-header": 1}


def test_unix_sockets_wait_without_spinning(loop: Any, tmp_path: Any, echo: Any, certificate: Any) -> None:
    """On a UNIX socket, which knows no low-water mark, a cut ClientHello is waited for all the same."""
    path = str(tmp_path / "s")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen()
    sock.setblocking(False)
    served = Served(loop, ListeningSocket(sock, f"unix:{path}"), echo, certificate).start(STRICT)
    hello = hello_bytes("a.test")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.settimeout(5)
        client.sendall(hello[:50])
        loop.until(lambda: served.service.connections)
        turns = 0
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            turns += loop.turn(0.01)
            loop.clock.advance(0.01)
        assert turns < 15
        client.sendall(hello[50:])
        end = time.monotonic() + 5
        client.setblocking(False)
        first = b""
        while not first and time.monotonic() < end:
            loop.turn(0.01)
            loop.clock.advance(0.01)
            try:
                first = client.recv(3)
            except BlockingIOError:
                pass
        assert first[:2] == b"\x16\x03"
    served.service.abort()
    served.service.close()
