"""
What one worker tells reaches the others.
"""

from __future__ import annotations

from typing import Any

from _scripted import Plane, Process, snapshot

from tlsgate.sites import Server, Snapshot, Upstream
from tlsgate.workers._places import FIRST_SPARE_DELAY


def heard(process: Process, what: str) -> list[Any]:
    """
    What a process was told of something, since this was asked last.
    """
    found = [said for verb, said in process.told if verb == what]
    process.told = [(verb, said) for verb, said in process.told if verb != what]
    return found


def served(plane: Plane) -> tuple[Process, Process]:
    """
    Two processes that serve, and have been told what there was to tell.
    """
    plane.serve(snapshot(1))
    plane.reactor.turn(3)
    one, other = plane.reactor.running[:2]
    for process in (one, other):
        heard(process, "connected")
    return one, other


def tell(plane: Plane, process: Process, verb: str, said: object) -> None:
    """
    A worker has news.
    """
    process.link.note(verb, said)
    plane.reactor.turn()


def test_connections(plane: Plane) -> None:
    """
    Each hears what the others have together, of the addresses that changed; what a worker had ends with it, and who
    takes its place hears everything.
    """
    one, other = served(plane)
    tell(plane, one, "connected", (3, {"192.0.2.1": 2, "192.0.2.2": 1}))
    assert heard(one, "connected") == []
    assert heard(other, "connected") == [(3, {"192.0.2.1": 2, "192.0.2.2": 1})]
    tell(plane, other, "connected", (1, {"192.0.2.1": 1}))
    assert heard(one, "connected") == [(1, {"192.0.2.1": 1})]
    one.end()
    plane.reactor.turn()
    assert (0, {"192.0.2.1": 0, "192.0.2.2": 0}) in heard(other, "connected")
    late = plane.reactor.running[1]
    assert heard(late, "connected") == [(1, {"192.0.2.1": 1})]


def test_connections_over_a_full_link(plane: Plane) -> None:
    """
    What could not be told is told with the next news.
    """
    one, other = served(plane)
    links = [slot.child.link for slot in plane.supervisor._places.slots if slot.child is not None]
    links[1].pauseProducing()
    tell(plane, one, "connected", (1, {"192.0.2.1": 1}))
    assert heard(other, "connected") == []
    links[1].resumeProducing()
    tell(plane, one, "connected", (2, {"192.0.2.2": 1}))
    assert heard(other, "connected") == [(2, {"192.0.2.1": 1, "192.0.2.2": 1})]


def with_server(generation: int, url: str) -> Snapshot:
    """
    A snapshot with one upstream.
    """
    server = Server(url=url, scheme="http", host="127.0.0.1", port=1)
    return Snapshot(
        generation=generation,
        bindings=snapshot(generation).bindings,
        upstreams=(Upstream(name="app", servers=(server,)),),
    )


def test_servers(plane: Plane) -> None:
    """
    All hear of a server that one ejects, who comes later too, until it is restored or not served any more.
    """
    plane.serve(with_server(1, "http://a"))
    plane.reactor.turn(FIRST_SPARE_DELAY)
    one, other, spare = plane.reactor.running
    tell(plane, one, "server", ("app", "http://a", False))
    assert heard(one, "server") == []
    assert heard(other, "server") == [("app", "http://a", False)]
    heard(spare, "server")
    one.end()
    plane.reactor.turn()
    assert heard(spare, "server") == [("app", "http://a", False)]
    tell(plane, other, "server", ("app", "http://a", True))
    assert heard(spare, "server") == [("app", "http://a", True)]
    tell(plane, other, "server", ("app", "http://a", False))
    plane.serve(with_server(2, "http://b"))
    plane.serve(with_server(3, "http://a"))
    plane.reactor.turn(3)
    other.end()
    plane.reactor.turn()
    assert ("app", "http://a", False) not in heard(plane.reactor.running[1], "server")


def test_one_checks(plane: Plane) -> None:
    """
    Exactly one of those that serve, whatever is served next; another when it is gone.
    """
    one, other = served(plane)
    assert [heard(process, "check") for process in (one, other)] == [[True], []]
    plane.serve(snapshot(2))
    assert [heard(process, "check") for process in (one, other)] == [[], []]
    one.end()
    plane.reactor.turn(3)
    assert sorted(len(heard(process, "check")) for process in plane.reactor.running[:2]) == [0, 1]
