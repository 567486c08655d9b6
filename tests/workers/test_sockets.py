"""
Which binding has which socket, and how long it stays open.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tlsgate.interfaces import ApplyFailed
from tlsgate.listeners import ListeningSocket
from tlsgate.sites import Binding, Scheme
from tlsgate.workers._sockets import Sockets


def bound(description: str) -> ListeningSocket:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return ListeningSocket(listening, description)


async def bind(description: str, name: str, leaving: Any = ()) -> ListeningSocket:
    if name == "refused":
        raise ApplyFailed("port-in-use", f"binding {name}", "It is taken.")
    return bound(description)


def bindings(**endpoints: str) -> list[Binding]:
    return [Binding(name=name, scheme=Scheme.HTTP, endpoint=endpoint) for name, endpoint in endpoints.items()]


def find(sockets: Sockets, **endpoints: str) -> Any:
    outcomes: list[Any] = []
    Deferred.fromCoroutine(sockets.find(bindings(**endpoints))).addBoth(outcomes.append)
    if not isinstance(outcomes[0], tuple):
        outcomes[0].raiseException()
    return outcomes[0]


def is_open(listening: ListeningSocket) -> bool:
    return listening.socket.fileno() >= 0


def test_inherited_sockets_are_taken_by_address() -> None:
    """
    However the address is spelled, and whatever the binding is called now.
    """
    inherited = bound("tcp:8443")
    sockets = Sockets([inherited], bind)
    found, opened = find(sockets, renamed="tcp:8443:interface=0.0.0.0")
    assert found == {"renamed": inherited}
    assert opened == []
    sockets.close()


def test_bindings_whose_port_the_system_chooses_have_sockets_of_their_own() -> None:
    """
    Equal descriptions are different ports then, and each binding keeps its own.
    """
    sockets = Sockets([], bind)
    first, opened = find(sockets, a="tcp:0", b="tcp:0")
    assert len({id(each) for each in first.values()}) == len(opened) == 2
    sockets.keep_only(first)
    again, opened = find(sockets, b="tcp:0", a="tcp:0")
    assert again == first
    assert opened == []
    sockets.close()


def test_old_sockets_stay_open_until_the_new_ones_serve() -> None:
    """
    A change that is taken back finds its sockets as they were.
    """
    sockets = Sockets([], bind)
    first, _ = find(sockets, a="tcp:1001")
    sockets.keep_only(first)
    second, opened = find(sockets, a="tcp:1002")
    assert is_open(first["a"])
    sockets.give_up(opened)
    assert not is_open(second["a"])
    third, _ = find(sockets, a="tcp:1003")
    sockets.keep_only(third)
    assert not is_open(first["a"])
    assert is_open(third["a"])
    sockets.close()
    assert not is_open(third["a"])


def test_who_opens_knows_what_leaves() -> None:
    """
    A new socket may have the port of one that is not wanted any more, never of one that serves on.
    """
    told: list[list[ListeningSocket]] = []

    async def remembering(description: str, name: str, leaving: Any) -> ListeningSocket:
        told.append(list(leaving))
        return bound(description)

    sockets = Sockets([], remembering)
    first, _ = find(sockets, a="tcp:1001", b="tcp:1002")
    sockets.keep_only(first)
    find(sockets, c="tcp:1002:interface=127.0.0.1", a="tcp:1001")
    assert told == [[], [], [first["b"]]]
    sockets.close()


def test_what_was_opened_before_a_refusal_is_closed() -> None:
    """
    All or none.
    """
    opened: list[ListeningSocket] = []

    async def remembering(description: str, name: str, leaving: Any) -> ListeningSocket:
        listening = await bind(description, name)
        opened.append(listening)
        return listening

    sockets = Sockets([], remembering)
    with pytest.raises(ApplyFailed):
        find(sockets, a="tcp:1001", refused="tcp:1002")
    assert [is_open(each) for each in opened] == [False]
