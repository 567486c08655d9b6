"""
TLS on the socket: handshakes end in time and with a reason, bytes go through whole, and a cut is told from an end.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport
from twisted.logger import globalLogPublisher
from zope.interface.verify import verifyObject

from tlsgate.transport import HANDSHAKE_FAILURES, TLSTransport
from tlsgate.transport._tls import failure_reason

# OpenSSL's SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL sets on every context and has no name for.
PARTIAL_WRITE = 1

TLS_1_2 = SSL.TLS1_2_VERSION


def contexts(lab: Any, version: int | None = None, partial: bool = True) -> dict[str, SSL.Context]:
    def configure(context: SSL.Context) -> None:
        if version is not None:
            context.set_max_proto_version(version)
        if not partial:
            context.clear_mode(PARTIAL_WRITE)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)

    return {"server": lab.make_context(True, configure), "client": lab.make_context(False, configure)}


def connect(lab: Any, *, buffer: int = 0, family: int = socket.AF_INET, made: Any = None, **protocols: Any) -> Any:
    """
    Two transports with the handshake behind them.
    """
    made = made or {"server": None, "client": None}
    near, far = lab.pair(family, buffer)
    client, first, said = lab.tls(
        near, client=True, context=made["client"], server_name=b"gate.test", protocol=protocols.get("client")
    )
    server, second, heard = lab.tls(far, context=made["server"], protocol=protocols.get("server"))
    lab.spin(lambda: said and heard)
    assert (said, heard) == ([""], [""])
    return client, server, first, second


def finish(lab: Any, *transports: Any) -> None:
    for transport in transports:
        transport.abortConnection()
    lab.spin()


@pytest.mark.parametrize("version", [None, TLS_1_2])
def test_handshake(lab: Any, version: int | None) -> None:
    """Both sides know what was agreed on, also after the end, and bytes go both ways."""
    client, server, first, second = connect(lab, made=contexts(lab, version))
    expected = "TLSv1.2" if version else "TLSv1.3"
    assert (client.tls_version, server.tls_version) == (expected, expected)
    assert client.cipher == server.cipher != ""
    assert server.server_name == client.server_name == "gate.test"
    assert client.alpn == server.alpn == b""
    assert client.peer_certificate().serial_number == 7
    assert server.peer_certificate() is None
    assert client.secure
    for interface in (ITCPTransport, IPushProducer, IConsumer):
        assert verifyObject(interface, client)
    client.write(b"hello ")
    client.writeSequence([b"wor", b"ld"])
    client.write(b"")
    server.write(b"welcome")
    lab.spin()
    assert (first.got, second.got) == (b"welcome", b"hello world")
    finish(lab, client, server)
    assert (server.tls_version, server.server_name) == (expected, "gate.test")
    assert (server.alpn, client.peer_certificate()) == (b"", None)


def test_alpn(lab: Any) -> None:
    """The agreed application protocol can be read."""
    made = {
        "server": lab.make_context(True, lambda c: c.set_alpn_select_callback(lambda _, offered: offered[-1])),
        "client": lab.make_context(False, lambda c: c.set_alpn_protos([b"http/1.1", b"x"])),
    }
    client, server, *_ = connect(lab, made=made)
    assert (client.alpn, server.alpn) == (b"x", b"x")
    finish(lab, client, server)


@pytest.mark.parametrize("partial", [True, False])
@settings(max_examples=15)
@given(
    writes=st.lists(st.one_of(st.integers(0, 20), st.integers(0, 400_000)), max_size=8),
    pauses=st.lists(st.booleans(), max_size=8),
    version=st.sampled_from([None, TLS_1_2]),
)
def test_any_cuts(lab: Any, partial: bool, writes: list[int], pauses: list[bool], version: int | None) -> None:
    """Whatever is written in whatever pieces into a narrow socket arrives whole and in order, in both write modes."""
    client, server, first, second = connect(lab, buffer=4096, made=contexts(lab, version, partial))
    sent = bytearray()
    for number, size in enumerate(writes):
        data = (number * 7 + 1).to_bytes(2, "big") * (size // 2)
        sent += data
        client.write(data)
        if number < len(pauses):
            (server.pauseProducing if pauses[number] else server.resumeProducing)()
        lab.spin(turns=2)
    server.resumeProducing()
    client.loseConnection()
    lab.spin(lambda: second.lost, turns=5000)
    assert second.got == sent
    assert second.lost == first.lost == "ConnectionDone"
    assert client.buffered == 0


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 16_385, 65_536, 65_537, 1_000_000])
def test_record_edges(lab: Any, size: int) -> None:
    """No record is left behind, however it fits the reads, and several arrive as one piece."""
    client, server, _, second = connect(lab)
    client.write(bytes(size))
    lab.spin(lambda: len(second.got) == size, 500)
    assert len(second.got) == size
    assert max(second.pieces) <= 65_536
    if size == 1_000_000:
        assert len(second.pieces) < 40
    finish(lab, client, server)


@pytest.mark.parametrize("partial", [True, False])
def test_producer_is_paced(lab: Any, partial: bool) -> None:
    """A producer is held where the peer does not read, and all it wrote arrives."""
    client, _server, _, second = connect(lab, buffer=8192, made=contexts(lab, None, partial))

    class Producer:
        left = 100
        paused = False
        most = 0

        def resumeProducing(self) -> None:
            self.paused = False
            while self.left and not self.paused:
                self.left -= 1
                client.write(bytes(30_000))
                self.most = max(self.most, client.buffered)
            if not self.left:
                client.unregisterProducer()

        def pauseProducing(self) -> None:
            self.paused = True

    producer = Producer()
    client.registerProducer(producer, True)
    producer.resumeProducing()
    assert producer.paused
    client.loseConnection()
    lab.spin(lambda: second.lost, 5000)
    assert len(second.got) == 3_000_000
    assert producer.most <= 64 * 1024 + 30_000


def test_last_bytes_survive_unread_tickets(lab: Any) -> None:
    """A client that closes before it has read the server's session tickets still delivers all it wrote."""
    near, far = lab.pair(buffer=8192)
    client, _, said = lab.tls(near, client=True)
    _server, second, heard = lab.tls(far)
    lab.spin(lambda: heard)
    client.pauseProducing()
    client.write(bytes(200_000))
    client.loseConnection()
    lab.spin(lambda: second.lost, 3000)
    assert (said, len(second.got), second.lost) == ([""], 200_000, "ConnectionDone")


def test_truncation(lab: Any) -> None:
    """An end without close_notify is a loss: what came may not be all."""
    client, server, _first, second = connect(lab)
    client.write(b"half of i")
    lab.spin()
    client.sock.shutdown(socket.SHUT_WR)
    lab.spin()
    assert (second.got, second.lost) == (b"half of i", "ConnectionLost")
    finish(lab, client, server)


def test_truncation_after_full_records(lab: Any) -> None:
    """A cut right behind full records is found, with the records delivered first."""
    client, server, _, second = connect(lab)
    client.write(bytes(32_768))
    client.sock.shutdown(socket.SHUT_WR)
    lab.spin()
    assert (len(second.got), second.lost) == (32_768, "ConnectionLost")
    finish(lab, client, server)


def test_orderly_end_after_full_records(lab: Any) -> None:
    """A close_notify right behind full records is found, with the records delivered first."""
    client, server, _, second = connect(lab)
    client.write(bytes(32_768))
    client.loseConnection()
    lab.spin()
    assert (len(second.got), second.lost) == (32_768, "ConnectionDone")
    finish(lab, client, server)


def test_half_close(lab: Any) -> None:
    """close_notify ends one direction only, where the protocol knows of that."""
    client, server, first, second = connect(lab, client=lab.HalfCloseable(), server=lab.HalfCloseable())
    client.write(bytes(16_384))
    client.loseWriteConnection()
    client.write(b"not sent")
    lab.spin()
    assert (len(second.got), second.read_ended, first.write_ended) == (16_384, 1, 1)
    server.write(b"answer")
    lab.spin()
    assert first.got == b"answer"
    server.loseWriteConnection()
    lab.spin()
    assert (first.lost, second.lost) == ("ConnectionDone", "ConnectionDone")


def test_abort(lab: Any) -> None:
    """An abort drops what waits and is a loss to the peer."""
    client, server, first, second = connect(lab)
    server.pauseProducing()
    client.write(bytes(20_000_000))
    assert client.buffered
    client.abortConnection()
    server.resumeProducing()
    lab.spin(turns=500)
    assert (first.lost, second.lost) == ("ConnectionAborted", "ConnectionLost")
    client.write(b"late")


def test_linger(lab: Any) -> None:
    """With a linger, an answer survives a peer that is still sending."""
    client, server, first, second = connect(lab)
    server.linger = 3
    server.write(b"too large")
    client.pauseProducing()
    server.loseConnection()
    lab.spin()
    client.write(bytes(100_000))
    lab.spin()
    assert second.lost is None
    client.resumeProducing()
    lab.spin()
    assert (first.got, first.lost, second.lost) == (b"too large", "ConnectionDone", "ConnectionDone")


def test_paused_between_records(lab: Any) -> None:
    """A pause within C{dataReceived} holds all that follows, and nothing is stuck afterwards."""
    client, server, _, second = connect(lab)
    real = second.dataReceived

    def once(data: bytes) -> None:
        real(data)
        server.pauseProducing()

    second.dataReceived = once
    client.write(bytes(500_000))
    lab.spin()
    assert len(second.pieces) == 1
    for _ in range(100):
        server.resumeProducing()
        lab.spin(turns=3)
    assert len(second.got) == 500_000
    finish(lab, client, server)


# Handshakes that fail


def failing(lab: Any, server: Any = None, client: Any = None) -> tuple[str, str]:
    near, far = lab.pair()
    one, _first, said = lab.tls(near, client=True, context=client)
    two, _second, heard = lab.tls(far, context=server)
    lab.spin(lambda: said and heard, 60)
    # TLS 1.3 clients may believe in success before the server refuses.
    assert (len(said), len(heard)) == (1, 1)
    assert {said[0], heard[0]} - {""} <= HANDSHAKE_FAILURES
    finish(lab, one, two)
    return said[0], heard[0]


@pytest.mark.parametrize(
    ("client", "server", "reasons"),
    [
        (
            lambda c: c.set_max_proto_version(TLS_1_2),
            lambda c: c.set_min_proto_version(SSL.TLS1_3_VERSION),
            ("server-alert", "unsupported-protocol"),
        ),
        (
            lambda c: (c.set_max_proto_version(TLS_1_2), c.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256")),
            lambda c: c.set_cipher_list(b"ECDHE-ECDSA-AES256-GCM-SHA384"),
            ("server-alert", "no-shared-cipher"),
        ),
        (
            lambda c: c.set_verify(SSL.VERIFY_PEER, lambda *_: False),
            lambda c: None,
            ("certificate", "client-alert"),
        ),
    ],
)
def test_refusals(lab: Any, client: Any, server: Any, reasons: tuple[str, str]) -> None:
    """Each side is told why, in words fit for a metric."""
    assert failing(lab, lab.make_context(True, server), lab.make_context(False, client)) == reasons


@pytest.mark.parametrize(
    "configure",
    [
        lambda c: c.set_alpn_select_callback(lambda *_: 1 / 0),
        lambda c: c.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True),
    ],
)
def test_server_callbacks(lab: Any, configure: Callable[[SSL.Context], object]) -> None:
    """A callback that raises, or a certificate that is missing, ends the handshake at once."""
    client = lab.make_context(False, lambda c: c.set_alpn_protos([b"x"]))
    _, heard = failing(lab, lab.make_context(True, configure), client)
    assert heard == "other"


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-x\r\n", b"\x80" * 40])
def test_not_tls(lab: Any, first: bytes) -> None:
    """Something else than TLS is told as such."""
    near, far = lab.pair()
    two, second, heard = lab.tls(far)
    near.send(first)
    lab.spin()
    assert heard == ["not-tls"]
    assert second.transport is None
    assert two.disconnected


def test_not_tls_is_handed_over(lab: Any) -> None:
    """Something else than TLS can be taken over, nothing of it consumed; TLS goes its way."""
    near, far = lab.pair()
    taken: list[socket.socket] = []
    heard: list[str] = []
    two = TLSTransport(lab.hub, far, None, None, lab.server_context)
    two.start(lambda: None, lambda _, reason: heard.append(reason), 10, taken.append)
    near.send(b"GET /")
    lab.spin()
    assert (heard, taken) == (["not-tls"], [far])
    assert lab.stream(far).connected
    lab.spin()
    two.abortConnection()
    near, far = lab.pair()
    one, _first, _said = lab.tls(near, client=True)
    two = TLSTransport(lab.hub, far, None, None, lab.server_context)
    protocol = lab.Recorder()
    two.start(lambda: protocol, lambda _, reason: heard.append(reason), 10, taken.append)
    one_more = lab.spin(lambda: protocol.transport)
    assert one_more is None
    assert heard == ["not-tls", ""]
    finish(lab, one, two)


def test_peer_goes_away(lab: Any) -> None:
    """A peer that leaves in the middle of a handshake is told as such."""
    near, far = lab.pair()
    _, _second, heard = lab.tls(far)
    near.close()
    lab.spin()
    assert heard == ["closed"]


def test_timeout(lab: Any) -> None:
    """A silent peer is let go in time, and then no protocol was made."""
    near, far = lab.pair()
    two, second, heard = lab.tls(far, timeout=3)
    for _ in range(5):
        lab.reactor.advance(1)
        lab.spin(turns=1)
    assert heard == ["timeout"]
    assert second.transport is None
    assert two.disconnected
    near.close()


def test_deadline_ends_with_the_handshake(lab: Any) -> None:
    """A connection that stands is not troubled by the handshake's deadline."""
    client, server, first, second = connect(lab)
    for _ in range(15):
        lab.reactor.advance(1)
    lab.spin()
    assert (first.lost, second.lost) == (None, None)
    finish(lab, client, server)


def test_abort_during_the_handshake(lab: Any) -> None:
    """Giving up a handshake is told once, later."""
    near, far = lab.pair()
    two, _, heard = lab.tls(far)
    two.abortConnection()
    assert heard == []
    lab.spin()
    assert heard == ["closed"]
    near.close()


def test_refused_by_whom_it_was_told(lab: Any) -> None:
    """When C{handshake_done} ends the connection, no protocol is made; nor is one where there is none to be had."""
    for end in (True, False):
        near, far = lab.pair()
        made: list[int] = []
        server, second, _heard = lab.tls(far)
        client = TLSTransport(lab.hub, near, None, None, lab.client_context, client=True)
        client.start(
            lambda made=made: made.append(1),  # type: ignore[misc]
            lambda transport, reason, end=end: transport.abortConnection() if end else None,  # type: ignore[misc]
            10,
        )
        lab.spin()
        assert made == ([] if end else [1])
        assert client.disconnected
        assert second.lost in {None, "ConnectionDone", "ConnectionLost"}
        finish(lab, server)


def test_a_protocol_that_raises(lab: Any) -> None:
    """A protocol that fails to begin ends its connection only."""
    near, far = lab.pair()

    class Broken(lab.Recorder):  # type: ignore[misc,name-defined]
        def connectionMade(self) -> None:
            raise RuntimeError("broken")

    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        client, *_ = lab.tls(near, client=True)
        server, *_ = lab.tls(far, protocol=Broken())
        lab.spin()
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert server.disconnected
    assert len([event for event in events if "log_failure" in event]) == 1
    finish(lab, client)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SSL.SysCallError(104, "ECONNRESET"), "closed"),
        (SSL.ZeroReturnError(), "closed"),
        (SSL.Error([("SSL routines", "", "tlsv1 unrecognized name")]), "unrecognized-name"),
        (SSL.Error([("SSL routines", "", "sslv3 alert certificate unknown")]), "alert"),
        (SSL.Error([("SSL routines", "", "something new")]), "other"),
        (SSL.Error([]), "other"),
        (SSL.Error(), "other"),
        (RuntimeError("ours"), "other"),
    ],
)
def test_failure_reason(error: Exception, reason: str) -> None:
    """OpenSSL's many words become a few."""
    assert failure_reason(error) == reason
    assert reason in HANDSHAKE_FAILURES | {"alert"}
