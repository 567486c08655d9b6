"""
One connection comes of several addresses, and exactly one word of how it went.
"""

from __future__ import annotations

import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectError, ConnectionRefusedError, TimeoutError

from tlsgate.transport import Connecting
from tlsgate.transport._connecting import interleaved

V4, V6 = socket.AF_INET, socket.AF_INET6


class Outcome:
    """
    What a L{Connecting} said.
    """

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.addresses: list[Any] = []
        self.failures: list[Exception] = []

    def connected(self, sock: socket.socket, address: Any) -> None:
        self.sockets.append(sock)
        self.addresses.append(address)

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


def begin(lab: Any, addresses: list[Any], **options: Any) -> tuple[Connecting, Outcome]:
    outcome = Outcome()
    arguments = {"timeout": 5.0, "connected": outcome.connected, "failed": outcome.failures.append, **options}
    return Connecting(lab.hub, addresses, **arguments), outcome


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.fixture
def full(lab: Any) -> Any:
    """An address that never answers: a listener whose backlog is full."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = []
    for _ in range(3):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listening.getsockname())
        fillers.append(filler)
    yield (V4, listening.getsockname())
    for sock in [listening, *fillers]:
        sock.close()


@given(st.lists(st.sampled_from([V4, V6])))
def test_interleaved(families: list[int]) -> None:
    """Nothing is lost, each family keeps its order, the first stays first, and families alternate while they can."""
    addresses = [(family, number) for number, family in enumerate(families)]
    ordered = interleaved(addresses)
    assert sorted(ordered) == sorted(addresses)
    for family in (V4, V6):
        assert [a for a in ordered if a[0] == family] == [a for a in addresses if a[0] == family]
    assert ordered[:1] == addresses[:1]
    both = 2 * min(families.count(V4), families.count(V6))
    assert all(a[0] != b[0] for a, b in pairwise(ordered[:both]))


def test_connects(lab: Any) -> None:
    """The socket is connected, non-blocking and without Nagle's delay; no call is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = (V4, listening.getsockname())
        _, outcome = begin(lab, [address])
        assert outcome.sockets == []
        lab.spin(lambda: outcome.sockets)
        (sock,) = outcome.sockets
        assert outcome.addresses == [address]
        assert sock.getpeername() == listening.getsockname()
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        outcome.close()
        lab.reactor.advance(30)
        lab.spin()
        assert (len(outcome.sockets), outcome.failures) == (1, [])


def test_unix(lab: Any, tmp_path: Path) -> None:
    """UNIX sockets connect at once, and that is told later all the same."""
    path = str(tmp_path / "origin")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        _, outcome = begin(lab, [(socket.AF_UNIX, path)])
        assert outcome.sockets == []
        lab.spin()
        assert len(outcome.sockets) == 1
        outcome.close()


def test_unix_cancelled_before_told(lab: Any, tmp_path: Path) -> None:
    """A connection that was made but not yet told can still be given up."""
    path = str(tmp_path / "origin")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        connecting, outcome = begin(lab, [(socket.AF_UNIX, path)])
        connecting.cancel()
        lab.spin()
        assert (outcome.sockets, outcome.failures) == ([], [])


def test_refused(lab: Any) -> None:
    """A refusal is told once, as Twisted's exception."""
    _, outcome = begin(lab, [(V4, ("127.0.0.1", closed_port()))])
    assert outcome.failures == []
    lab.spin()
    assert [type(failure) for failure in outcome.failures] == [ConnectionRefusedError]
    lab.reactor.advance(30)
    assert len(outcome.failures) == 1


@pytest.mark.parametrize("addresses", [[], [(socket.AF_UNIX, "/nowhere/at/all")], [(V4, ("127.0.0.1", 99999999))]])
def test_hopeless(lab: Any, addresses: list[Any]) -> None:
    """No address, or one that cannot even be tried, is a failure like any other."""
    _, outcome = begin(lab, addresses)
    lab.spin()
    assert [isinstance(failure, ConnectError) for failure in outcome.failures] == [True]


def test_falls_through(lab: Any) -> None:
    """A refused address gives way to the next without a wait."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bad, good = (V4, ("127.0.0.1", closed_port())), (V4, listening.getsockname())
        _, outcome = begin(lab, [bad, bad, good])
        lab.spin(lambda: outcome.sockets)
        assert outcome.addresses == [good]
        outcome.close()


def test_first_to_answer_wins(lab: Any, full: Any) -> None:
    """While one address is silent, the next is tried after the delay; the silent one is let go."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        good = (V4, listening.getsockname())
        watched = len(lab.hub._callbacks)
        _, outcome = begin(lab, [full, good], attempt_delay=0.25)
        lab.spin()
        assert outcome.sockets == []
        lab.reactor.advance(0.25)
        lab.spin(lambda: outcome.sockets)
        assert outcome.addresses == [good]
        assert len(lab.hub._callbacks) == watched
        outcome.close()


def test_timeout(lab: Any, full: Any) -> None:
    """All attempts together have one timeout."""
    _, outcome = begin(lab, [full, full], timeout=2)
    lab.spin()
    lab.reactor.advance(1.9)
    lab.spin()
    assert outcome.failures == []
    lab.reactor.advance(0.2)
    assert [type(failure) for failure in outcome.failures] == [TimeoutError]
    lab.spin()
    assert len(outcome.failures) == 1


def test_cancel(lab: Any, full: Any) -> None:
    """Nothing is said after a cancel, and nothing is left."""
    lab.spin()
    calls = len(lab.reactor.getDelayedCalls())
    watched = len(lab.hub._callbacks)
    connecting, outcome = begin(lab, [full, full])
    connecting.cancel()
    connecting.cancel()
    lab.reactor.advance(10)
    lab.spin()
    assert (outcome.sockets, outcome.failures) == ([], [])
    assert len(lab.reactor.getDelayedCalls()) == calls
    assert len(lab.hub._callbacks) == watched


def test_bind(lab: Any) -> None:
    """A local address is used for its family; one that is not ours is a failure."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        _, outcome = begin(lab, [(V4, listening.getsockname())], bind=("127.0.0.2", 0))
        lab.spin(lambda: outcome.sockets)
        assert outcome.sockets[0].getsockname()[0] == "127.0.0.2"
        outcome.close()
        _, outcome = begin(lab, [(V4, listening.getsockname())], bind=("192.0.2.1", 0))
        lab.spin()
        assert len(outcome.failures) == 1
        assert "192.0.2.1" in str(outcome.failures[0])
