"""
Bytes go through a stream in order and once, and its ends are told as they were.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.logger import globalLogPublisher
from zope.interface.verify import verifyObject

from tlsgate.transport import HIGH_WATER, LOW_WATER

FAMILIES = [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX]


class Producer:
    """
    Writes pieces until it is paused.
    """

    def __init__(self, transport: Any, total: int, piece: int) -> None:
        self.transport = transport
        self.left = total
        self.piece = piece
        self.paused = False
        self.stopped = False
        self.most = 0

    def produce(self) -> None:
        while self.left and not self.paused and not self.stopped:
            piece = min(self.piece, self.left)
            self.left -= piece
            self.transport.write(bytes(piece))
            self.most = max(self.most, self.transport.buffered)
        if not self.left:
            self.transport.unregisterProducer()

    def pauseProducing(self) -> None:
        assert not self.paused
        self.paused = True

    def resumeProducing(self) -> None:
        assert self.paused
        self.paused = False
        self.produce()

    def stopProducing(self) -> None:
        self.stopped = True


def read_all(sock: socket.socket) -> bytes:
    got = bytearray()
    try:
        while data := sock.recv(65536):
            got += data
    except BlockingIOError:
        pass
    return bytes(got)


class Counting:
    """
    Counts the system calls that change what is watched.
    """

    def __init__(self, hub: Any) -> None:
        self.hub = hub
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.hub, name)
        if name not in {"add", "modify", "remove"}:
            return real

        def call(*arguments: Any) -> None:
            self.calls.append(name)
            real(*arguments)

        return call


@pytest.mark.parametrize("family", FAMILIES)
def test_there_and_back(lab: Any, family: int) -> None:
    """Bytes reach the other side, both ways, and the interfaces are what they say."""
    near, far = lab.pair(family)
    one, two = lab.stream(near), lab.stream(far)
    for interface in (ITCPTransport, IPushProducer, IConsumer):
        assert verifyObject(interface, one)
    one.write(b"to and ")
    two.writeSequence([b"f", b"r", b"o"])
    one.write(b"")
    lab.spin()
    assert (one.protocol.got, two.protocol.got) == (b"fro", b"to and ")
    assert not one.secure
    one.abortConnection()
    lab.spin()


@pytest.mark.parametrize(("family", "kind"), [(socket.AF_INET, IPv4Address), (socket.AF_INET6, IPv6Address)])
def test_addresses(lab: Any, family: int, kind: type) -> None:
    """Both ends know each other."""
    near, far = lab.pair(family)
    one, two = lab.stream(near), lab.stream(far)
    assert isinstance(one.getPeer(), kind)
    assert one.getPeer() == two.getHost()
    assert one.getHost() == two.getPeer()
    one.abortConnection()
    lab.spin()


def test_socket_options(lab: Any) -> None:
    """TCP's options can be set and read."""
    near, _ = lab.pair()
    one = lab.stream(near)
    for on in (True, False):
        one.setTcpNoDelay(on)
        one.setTcpKeepAlive(on)
        assert (one.getTcpNoDelay(), one.getTcpKeepAlive()) == (on, on)
    one.abortConnection()
    lab.spin()


@settings(max_examples=25)
@given(
    writes=st.lists(st.one_of(st.integers(0, 20), st.integers(0, 300_000)), max_size=12),
    pauses=st.lists(st.booleans(), max_size=12),
)
def test_any_cuts(lab: Any, writes: list[int], pauses: list[bool]) -> None:
    """Whatever is written in whatever pieces into a narrow socket arrives whole and in order; C{buffered} is exact."""
    near, far = lab.pair(buffer=4096)
    one, two = lab.stream(near), lab.stream(far)
    receiver = two.protocol
    sent = bytearray()
    for number, size in enumerate(writes):
        data = (number * 7 + 1).to_bytes(2, "big") * (size // 2)
        sent += data
        one.write(data)
        if number < len(pauses):
            (two.pauseProducing if pauses[number] else two.resumeProducing)()
        lab.spin(turns=2)
    two.resumeProducing()
    one.loseConnection()
    lab.spin(lambda: receiver.lost, turns=5000)
    assert receiver.got == sent
    assert receiver.lost == "ConnectionDone"
    assert one.buffered == 0


def test_buffered_is_exact(lab: Any) -> None:
    """What the kernel took plus what is buffered is what was written."""
    near, far = lab.pair(socket.AF_UNIX)
    one = lab.stream(near)
    for _ in range(5):
        one.write(bytes(300_000))
    taken = len(read_all(far))
    assert taken + one.buffered == 1_500_000
    lab.spin()
    taken += len(read_all(far))
    assert taken + one.buffered == 1_500_000
    one.abortConnection()
    assert one.buffered == 0
    lab.spin()


def test_small_writes_are_joined(lab: Any) -> None:
    """What waits in small pieces goes out in large ones."""
    near, far = lab.pair(socket.AF_UNIX)
    one, two = lab.stream(near), lab.stream(far)
    receiver = two.protocol
    two.pauseProducing()
    one.write(bytes(1_000_000))
    waiting = one.buffered
    for _ in range(5000):
        one.write(b"xx")
    assert one.buffered == waiting + 10_000
    two.resumeProducing()
    lab.spin(lambda: not one.buffered, 500)
    lab.spin()
    assert len(receiver.got) == 1_010_000
    assert len(receiver.pieces) < 100
    one.abortConnection()
    lab.spin()


@pytest.mark.parametrize("piece", [1000, 50_000, 200_000])
def test_producer_is_paced(lab: Any, piece: int) -> None:
    """A producer is paused above the high-water mark and resumed below the low one."""
    near, far = lab.pair(buffer=8192)
    one, two = lab.stream(near), lab.stream(far)
    receiver = two.protocol
    producer = Producer(one, 3_000_000, piece)
    one.registerProducer(producer, True)
    with pytest.raises(RuntimeError):
        one.registerProducer(producer, True)
    producer.produce()
    assert producer.paused
    one.loseConnection()
    lab.spin(lambda: receiver.lost, 5000)
    assert len(receiver.got) == 3_000_000
    assert producer.most <= HIGH_WATER + piece
    assert not producer.stopped
    assert LOW_WATER < HIGH_WATER


def test_producer_registered_over_a_full_buffer(lab: Any) -> None:
    """A producer that comes when much is waiting is paused at once."""
    near, _ = lab.pair(socket.AF_UNIX)
    one = lab.stream(near)
    one.write(bytes(2_000_000))
    producer = Producer(one, 1, 1)
    one.registerProducer(producer, True)
    assert producer.paused
    one.abortConnection()
    lab.spin()
    assert producer.stopped


def test_pull_producer(lab: Any) -> None:
    """A pull producer is asked whenever nothing waits."""
    near, far = lab.pair()
    one, two = lab.stream(near), lab.stream(far)
    receiver = two.protocol

    class Pull:
        left = 5

        def resumeProducing(self) -> None:
            self.left -= 1
            one.write(b"x" * 100_000)
            if not self.left:
                one.unregisterProducer()

        def stopProducing(self) -> None:
            raise AssertionError

    one.registerProducer(Pull(), False)
    one.loseConnection()
    lab.spin(lambda: receiver.lost, 500)
    assert len(receiver.got) == 500_000


def test_producer_after_the_end(lab: Any) -> None:
    """A producer that comes too late is stopped at once."""
    near, _ = lab.pair()
    one = lab.stream(near)
    one.abortConnection()
    producer = Producer(one, 1, 1)
    one.registerProducer(producer, True)
    assert producer.stopped
    lab.spin()


def test_pause_and_resume_in_one_event_costs_nothing(lab: Any) -> None:
    """A pause within C{dataReceived} that ends before more comes changes nothing that is watched."""
    near, far = lab.pair()

    class Pausing(lab.Recorder):  # type: ignore[misc,name-defined]
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.pauseProducing()
            self.transport.resumeProducing()

    one = lab.stream(near, Pausing())
    counting = one._hub = Counting(lab.hub)
    far.send(b"x")
    lab.spin()
    one.pauseProducing()
    one.resumeProducing()
    assert one.protocol.got == b"x"
    assert counting.calls == []
    one.abortConnection()
    lab.spin()


def test_paused_gets_nothing(lab: Any) -> None:
    """While paused nothing is delivered and the hub is left in peace; afterwards all of it is."""
    near, far = lab.pair()
    one = lab.stream(near)
    counting = one._hub = Counting(lab.hub)
    one.pauseProducing()
    far.send(b"x")
    lab.spin()
    far.send(b"y")
    lab.spin()
    assert one.protocol.got == b""
    assert counting.calls == ["modify"]
    one.resumeProducing()
    lab.spin()
    assert one.protocol.got == b"xy"
    one.abortConnection()
    lab.spin()


@pytest.mark.parametrize("family", FAMILIES)
def test_paused_and_hung_up(lab: Any, family: int) -> None:
    """A peer that sends and goes away while we are paused does not spin the hub, and no byte is lost."""
    near, far = lab.pair(family)
    one = lab.stream(near)
    protocol = one.protocol
    one.pauseProducing()
    far.send(b"last words")
    far.close()
    lab.spin()
    one.write(b"into the void")
    lab.spin()
    events: list[int] = []
    real = one.on_event
    if one._interest >= 0:
        lab.hub.replace(near.fileno(), lambda bits: (events.append(bits), real(bits)))
    lab.spin()
    assert len(events) <= 1
    one.resumeProducing()
    lab.spin()
    assert protocol.got == b"last words"
    assert protocol.lost in {"ConnectionDone", "ConnectionLost"}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("end", ["close", "half-close"])
@pytest.mark.parametrize("waiting", [b"", b"unread"])
def test_an_end_behind_unread_input(lab: Any, family: int, end: str, waiting: bytes) -> None:
    """A paused protocol that asks for it is told at once that its peer has ended; nothing spins, no byte is lost."""
    near, far = lab.pair(family)
    one = lab.stream(near, lab.EndObserver())
    protocol = one.protocol
    one.pauseProducing()
    if waiting:
        far.send(waiting)
        lab.spin()
        # What is still written and waits for the socket makes no difference.
        one.write(bytes(5_000_000))
    lab.spin()
    assert protocol.ended == 0
    far.close() if end == "close" and not waiting else far.shutdown(socket.SHUT_WR)
    lab.spin()
    assert protocol.ended == 1
    counting = Counting(lab.hub)
    one._hub = counting
    lab.spin()
    assert counting.calls == []
    one._hub = lab.hub
    one.resumeProducing()
    lab.spin()
    assert protocol.got == waiting
    assert protocol.lost == "ConnectionDone"
    assert protocol.ended == 1


def test_an_end_behind_unread_input_after_a_pause(lab: Any) -> None:
    """Reading on and pausing again changes nothing of it, and costs nothing while reading."""
    near, far = lab.pair()
    one = lab.stream(near, lab.EndObserver())
    protocol = one.protocol
    one.pauseProducing()
    far.send(b"one")
    lab.spin()
    one.resumeProducing()
    lab.spin()
    assert protocol.got == b"one"
    counting = Counting(lab.hub)
    one._hub = counting
    for _ in range(3):
        far.send(b"two")
        lab.spin()
    assert counting.calls == []
    one._hub = lab.hub
    one.pauseProducing()
    far.send(b"three")
    lab.spin()
    far.shutdown(socket.SHUT_WR)
    lab.spin()
    assert protocol.ended == 1
    one.abortConnection()
    lab.spin()


def test_who_does_not_ask_is_not_told_of_an_end(lab: Any) -> None:
    """A protocol without use for it is left in peace until it reads on."""
    near, far = lab.pair()
    one = lab.stream(near)
    protocol = one.protocol
    one.pauseProducing()
    far.send(b"last words")
    lab.spin()
    counting = Counting(lab.hub)
    one._hub = counting
    far.shutdown(socket.SHUT_WR)
    lab.spin()
    assert counting.calls == []
    one._hub = lab.hub
    one.resumeProducing()
    lab.spin()
    assert protocol.got == b"last words"
    assert protocol.lost == "ConnectionDone"


def test_lose_connection(lab: Any) -> None:
    """A close is told after the events at hand, to both sides, once, and breaks the cycle of references."""
    near, far = lab.pair()
    one, two = lab.stream(near), lab.stream(far)
    protocols = one.protocol, two.protocol
    one.loseConnection()
    one.loseConnection()
    assert protocols[0].lost is None
    assert (one.connected, one.disconnecting, one.disconnected) == (False, False, True)
    lab.spin()
    assert [protocol.lost for protocol in protocols] == ["ConnectionDone"] * 2
    assert one.protocol is None
    one.write(b"late")
    one.abortConnection()
    one.pauseProducing()
    one.resumeProducing()
    lab.spin()


def test_abort(lab: Any) -> None:
    """An abort drops what waits and resets the connection."""
    near, far = lab.pair()
    one, two = lab.stream(near), lab.stream(far)
    protocols = one.protocol, two.protocol
    two.pauseProducing()
    one.write(bytes(10_000_000))
    one.abortConnection()
    two.resumeProducing()
    lab.spin(turns=300)
    assert [protocol.lost for protocol in protocols] == ["ConnectionAborted", "ConnectionLost"]


def test_reset_while_paused(lab: Any) -> None:
    """A reset with nothing left to read is told even while paused."""
    near, far = lab.pair()
    one, two = lab.stream(near), lab.stream(far)
    protocol = one.protocol
    one.pauseProducing()
    two.abortConnection()
    lab.spin()
    assert protocol.lost == "ConnectionLost"


def test_answer_before_a_reset(lab: Any) -> None:
    """When writing fails, what the peer sent before is still read."""
    near, far = lab.pair(socket.AF_UNIX)
    one = lab.stream(near)
    protocol = one.protocol
    producer = Producer(one, 10_000_000, 100_000)
    one.registerProducer(producer, True)
    producer.produce()
    assert producer.paused
    far.send(b"no, thanks")
    far.close()
    lab.spin()
    assert protocol.got == b"no, thanks"
    assert protocol.lost in {"ConnectionDone", "ConnectionLost"}
    assert one.buffered == 0


def test_half_close(lab: Any) -> None:
    """Each direction ends for itself where the protocol knows of that."""
    near, far = lab.pair()
    one, two = lab.stream(near, lab.HalfCloseable()), lab.stream(far, lab.HalfCloseable())
    first, second = one.protocol, two.protocol
    one.write(b"question")
    one.loseWriteConnection()
    one.write(b"not sent")
    lab.spin()
    assert (second.got, second.read_ended, first.write_ended) == (b"question", 1, 1)
    two.write(b"answer")
    lab.spin()
    assert first.got == b"answer"
    two.loseWriteConnection()
    lab.spin()
    assert (first.lost, second.lost) == ("ConnectionDone", "ConnectionDone")


def test_half_close_waits_for_the_buffer(lab: Any) -> None:
    """Half-closing keeps what was written before it."""
    near, far = lab.pair(buffer=4096)
    one, two = lab.stream(near), lab.stream(far, lab.HalfCloseable())
    one.write(bytes(2_000_000))
    assert one.buffered
    one.loseWriteConnection()
    lab.spin(lambda: two.protocol.read_ended, 5000)
    assert len(two.protocol.got) == 2_000_000
    two.loseConnection()
    lab.spin()
    assert one.disconnected


def test_half_closed_peer_goes_away(lab: Any) -> None:
    """After a half-close, a peer that vanishes is noticed."""
    near, far = lab.pair(socket.AF_UNIX)
    one = lab.stream(near, lab.HalfCloseable())
    protocol = one.protocol
    far.shutdown(socket.SHUT_WR)
    lab.spin()
    assert (protocol.read_ended, protocol.lost) == (1, None)
    far.close()
    lab.spin()
    assert protocol.lost == "ConnectionLost"


def test_stop_producing_closes(lab: Any) -> None:
    """To stop a transport is to close it."""
    near, far = lab.pair()
    one = lab.stream(near)
    protocol = one.protocol
    one.stopProducing()
    lab.spin()
    assert protocol.lost == "ConnectionDone"
    assert far.recv(1) == b""


def test_input_during_a_close_is_thrown_away(lab: Any) -> None:
    """While the last bytes go out, input is read and dropped, and the bytes arrive."""
    near, far = lab.pair(socket.AF_UNIX)
    one = lab.stream(near)
    protocol = one.protocol
    one.write(bytes(2_000_000))
    one.loseConnection()
    assert one.disconnecting
    far.send(b"ignored")
    got = 0
    for _ in range(200):
        lab.spin(turns=1)
        got += len(read_all(far))
        if protocol.lost:
            break
    assert (got, protocol.lost, protocol.got) == (2_000_000, "ConnectionDone", b"")


def test_linger(lab: Any) -> None:
    """With a linger, an answer survives a peer that is still sending."""
    near, far = lab.pair()
    one = lab.stream(near)
    protocol = one.protocol
    one.linger = 3
    one.write(b"too large")
    one.loseConnection()
    lab.spin()
    far.send(bytes(50_000))
    lab.spin()
    far.send(bytes(50_000))
    lab.spin()
    assert protocol.lost is None
    assert far.recv(100) == b"too large"
    assert far.recv(100) == b""
    far.close()
    lab.spin()
    assert (protocol.lost, protocol.got) == ("ConnectionDone", b"")


def test_linger_ends(lab: Any) -> None:
    """A peer that never stops is left after the linger."""
    near, far = lab.pair()
    one = lab.stream(near)
    protocol = one.protocol
    one.linger = 3
    one.loseConnection()
    for _ in range(5):
        far.send(b"more")
        lab.reactor.advance(1)
        lab.spin(turns=2)
        if protocol.lost:
            break
    assert protocol.lost == "ConnectionDone"


@pytest.mark.parametrize("when", ["connectionMade", "dataReceived", "connectionLost"])
def test_a_protocol_that_raises(lab: Any, when: str) -> None:
    """It is logged and its connection ends; others go on."""
    near, far = lab.pair()

    class Broken(Protocol):
        pass

    def broken(self: Any, *arguments: Any) -> None:
        raise RuntimeError("broken")

    setattr(Broken, when, broken)
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        far.send(b"x")
        one = lab.stream(near, Broken())
        lab.spin()
        one.loseConnection()
        lab.spin()
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert one.disconnected
    assert len([event for event in events if "log_failure" in event]) == 1


def test_switching_protocols(lab: Any) -> None:
    """Another protocol can take over by assignment, in the middle of a read, too."""
    near, far = lab.pair()
    later = lab.Recorder()

    class First(lab.Recorder):  # type: ignore[misc,name-defined]
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.transport.protocol = later

    first = First()
    one = lab.stream(near, first)
    far.send(b"1")
    lab.spin()
    far.send(b"2")
    lab.spin()
    assert (first.got, later.got) == (b"1", b"2")
    one.loseConnection()
    lab.spin()
    assert (first.lost, later.lost) == (None, "ConnectionDone")
