"""
Tests for L{tlsgate.listeners._accept}.
"""

import socket
import subprocess
import sys
from typing import Any

from tlsgate.counters import Counters
from tlsgate.listeners import ListeningSocket
from tlsgate.listeners._accept import BATCH, ClientSocket, Listener


def connect(listening: ListeningSocket) -> socket.socket:
    return socket.create_connection(("127.0.0.1", listening.port))


def test_sockets_are_ready_to_serve(loop: Any, listening: ListeningSocket) -> None:
    """An accepted socket is non-blocking, close-on-exec and without Nagle's delay."""
    taken: list[tuple[ClientSocket, Any]] = []
    listener = Listener(loop.hub, listening, lambda sock, peer: taken.append((sock, peer)), Counters())
    listener.start()
    with connect(listening) as client:
        loop.until(lambda: taken)
        sock, peer = taken[0]
        assert peer == client.getsockname()
        assert not sock.getblocking()
        assert not sock.get_inheritable()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM)
        sock.close()
    listener.stop_accepting()


def test_end_is_told_once(loop: Any, listening: ListeningSocket) -> None:
    """Closing a client's socket tells so once, after the descriptor is free."""
    taken: list[ClientSocket] = []
    Listener(loop.hub, listening, lambda sock, peer: taken.append(sock), Counters()).start()
    with connect(listening):
        loop.until(lambda: taken)
    told: list[int] = []
    taken[0].on_close = lambda: told.append(taken[0].fileno())
    taken[0].close()
    taken[0].close()
    assert told == [-1]


def test_a_burst_is_taken_in_growing_bounded_batches(loop: Any, listening: ListeningSocket) -> None:
    """However many wait, one event takes no more than a batch, and the batch follows the load."""
    taken: list[ClientSocket] = []
    Listener(loop.hub, listening, lambda sock, peer: taken.append(sock), Counters()).start()
    clients = [connect(listening) for _ in range(150)]
    sizes = []
    while len(taken) < 150:
        before = len(taken)
        loop.until(lambda before=before: len(taken) > before)
        sizes.append(len(taken) - before)
    assert sizes == [1, 2, 4, 8, 16, 32, BATCH, 150 - 63 - BATCH]
    for sock in [*clients, *taken]:
        sock.close()


def test_an_owner_that_raises_stops_nothing(loop: Any, listening: ListeningSocket) -> None:
    """What one connection's owner raises costs that connection; accepting goes on a second later."""
    taken: list[Any] = []

    def accepted(sock: ClientSocket, peer: Any) -> None:
        taken.append(peer)
        sock.close()
        if len(taken) == 1:
            raise RuntimeError("not this one")

    Listener(loop.hub, listening, accepted, Counters()).start()
    with connect(listening), connect(listening):
        loop.until(lambda: taken)
        loop.turn(0.01)
        assert len(taken) == 1
        loop.clock.advance(1)
        loop.until(lambda: len(taken) == 2)


def test_a_socket_shut_down_elsewhere_is_left(loop: Any, listening: ListeningSocket) -> None:
    """When another process shuts the socket down, accepting ends and nothing spins."""
    listener = Listener(loop.hub, listening, lambda sock, peer: sock.close(), Counters())
    listener.start()
    listening.socket.shutdown(socket.SHUT_RDWR)
    loop.until(lambda: not listener.accepting)
    assert not loop.turn(0.05)


EXHAUSTED = """
import os, resource, select, socket, sys, time
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from tlsgate.counters import Counters
from tlsgate.listeners import ListeningSocket
from tlsgate.listeners._accept import Listener
from tlsgate.transport import make_hub

class Reactor(Clock):
    def addReader(self, reader): ...
    def removeReader(self, reader): ...

lines = []
globalLogPublisher.addObserver(lambda event: lines.append(event["log_format"]))
reactor = Reactor()
hub = make_hub(reactor)
hub.start()
sock = socket.create_server(("127.0.0.1", 0), backlog=100)
sock.setblocking(False)
counters, taken = Counters(), []
listener = Listener(hub, ListeningSocket(sock, "tcp:0"), lambda one, peer: taken.append(one), counters)
listener.start()

def turn():
    if select.select([hub], [], [], 0.02)[0]:
        hub.doRead()
        return True

clients = [socket.create_connection(sock.getsockname()) for _ in range(4)]
highest = max(int(name) for name in os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
spare = []
try:
    while True:
        spare.append(os.dup(0))
except OSError:
    pass
os.close(spare.pop()); os.close(spare.pop())
for _ in range(20):
    turn()
assert len(taken) == 2, taken
assert counters.refused["descriptors"] == 1, counters.refused
assert not turn(), "it spins"
for _ in range(5):
    reactor.advance(1)
    turn()
assert counters.refused["descriptors"] == 6
assert len(lines) == 1, lines
taken.pop().close(); taken.pop().close()
reactor.advance(1)
for _ in range(5):
    turn()
assert len(taken) == 2, "it did not recover"
sys.stdout.write("fine")
"""


def test_descriptors_run_out() -> None:
    """At the descriptor limit accepting pauses, nothing spins, one line is logged, and it recovers by itself."""
    done = subprocess.run([sys.executable, "-c", EXHAUSTED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("fine", 0), done.stderr
