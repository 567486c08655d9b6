"""
Tests for L{tlsgate.listeners._takeover}.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.selectreactor import SelectReactor

from tlsgate.interfaces import ApplyFailed
from tlsgate.listeners import ListeningSocket, open_in_place_of

Open = Callable[..., ListeningSocket]


@pytest.fixture
def opened() -> Iterator[Open]:
    """
    Opens endpoints; all are closed at the end.
    """
    reactor: Any = SelectReactor()
    with ExitStack() as stack:

        def open_(description: str, *leaving: ListeningSocket) -> ListeningSocket:
            outcomes: list[Any] = []
            opening = Deferred.fromCoroutine(open_in_place_of(reactor, description, "web", leaving))
            opening.addCallbacks(outcomes.append, lambda failure: outcomes.append(failure.value))
            if isinstance(outcomes[0], Exception):
                raise outcomes[0]
            listening: ListeningSocket = outcomes[0]
            stack.callback(reactor.runUntilCurrent)
            stack.callback(listening.close)
            return listening

        yield open_


def reaches(host: str, port: int, *candidates: ListeningSocket) -> ListeningSocket | None:
    """
    Which of the sockets a new connection to this address comes to; C{None} if it is refused.
    """
    try:
        client = socket.create_connection((host, port))
    except ConnectionRefusedError:
        return None
    with client:
        for candidate in candidates:
            try:
                accepted, _ = candidate.socket.accept()
            except (BlockingIOError, OSError):
                continue
            accepted.close()
            return candidate
    raise AssertionError("nobody has it")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("tcp:{}", "tcp:{}:interface=127.0.0.1"),
        ("tcp:{}:interface=127.0.0.1", "tcp:{}"),
        ("tcp:{}", r"tcp:{}:interface=\:\:"),
        (r"tcp6:{}", "tcp:{}:interface=127.0.0.1"),
    ],
)
def test_moves_to_another_interface_of_the_same_port(before: str, after: str, opened: Open) -> None:
    """The new socket is bound beside the old one, gets nothing until it listens, and has the port when the old one is closed."""
    old = opened(before.format(0))
    leaving = ListeningSocket(old.socket, before.format(old.port))
    new = opened(after.format(old.port), leaving)
    assert new.port == old.port
    assert not new.socket.getblocking()
    assert not os.get_inheritable(new.fileno())
    assert reaches("127.0.0.1", old.port, old, new) is old
    new.listen()
    new.listen()
    old.close()
    assert reaches("127.0.0.1", new.port, new) is new


def test_a_change_that_fails_has_touched_nobody(opened: Open) -> None:
    """What was only bound is closed without a trace, and the old socket listens as before."""
    old = opened("tcp:0")
    leaving = ListeningSocket(old.socket, f"tcp:{old.port}")
    new = opened(f"tcp:{old.port}:interface=127.0.0.1", leaving)
    new.close()
    assert reaches("127.0.0.1", old.port, old) is old
    assert not old.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)


def test_only_from_our_own_that_leave(opened: Open) -> None:
    """A port that somebody else has, or that one of ours keeps, is in use."""
    old, other = opened("tcp:0"), opened("tcp:0")
    for leaving in ([], [ListeningSocket(other.socket, f"tcp:{other.port}")]):
        with pytest.raises(ApplyFailed) as refused:
            opened(f"tcp:{old.port}:interface=127.0.0.1", *leaving)
        assert (refused.value.code, refused.value.subject) == ("port-in-use", "binding web")
    with socket.create_server(("127.0.0.2", 0)) as foreign:
        port = foreign.getsockname()[1]
        ours = opened(f"tcp:{port}:interface=127.0.0.1")
        with pytest.raises(ApplyFailed, match="already in use"):
            opened(f"tcp:{port}", ours)
        assert reaches("127.0.0.1", port, ours) is ours
