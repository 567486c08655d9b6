"""
Pools on real sockets, driven by hand: the clock stands still until it is told to go on.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from tlsgate.counters import Counters
from tlsgate.http1 import ReaderLimits
from tlsgate.sites import Server, Timeouts, Upstream
from tlsgate.transport import EpollHub
from tlsgate.upstream import ServerPool

__all__ = ["Borrower", "HandReactor", "MemoryTransport", "UpstreamBench", "server"]


class HandReactor(Clock):
    """
    A clock that also remembers who wants to read and write.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        self.addReader = self.readers.add
        self.removeReader = self.readers.discard
        self.addWriter = self.writers.add
        self.removeWriter = self.writers.discard
        self.nameResolver: Any = None


class MemoryTransport:
    """
    A transport that keeps what is written and remembers what it was told.

    @ivar buffered: set by a test to say that the socket takes no more.
    @ivar ended: how its protocol ended it: C{lost}, C{aborted} or nothing yet.
    """

    secure = False
    tls_version = "TLSv1.3"
    cipher = "TEST"

    def __init__(self, server_name: str = "") -> None:
        self.written = b""
        self.buffered = 0
        self.connected = True
        self.disconnecting = False
        self.linger = 0.0
        self.peer = ("192.0.2.1", 5000)
        self.host = ("192.0.2.9", 443)
        self.sock = self
        self.server_name = server_name
        self.paused = False
        self.half_closed = False
        self.producer: Any = None
        self.ended = ""

    def fileno(self) -> int:
        return 1_000_000  # no descriptor: the kernel has nothing to tell

    def take(self) -> bytes:
        """
        What was written since the last time.
        """
        written, self.written = self.written, b""
        return written

    def write(self, data: bytes) -> None:
        if self.connected:
            self.written += data

    def loseConnection(self) -> None:
        self.disconnecting = True
        if self.producer is None and not self.buffered:
            self.connected = False
        self.ended = self.ended or "lost"

    def abortConnection(self) -> None:
        self.connected = False
        self.ended = "aborted"

    def loseWriteConnection(self) -> None:
        if self.producer is None:
            self.half_closed = True

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def stopProducing(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert self.producer is None
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None


class Resolver:
    """
    Answers when it is told to.
    """

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def resolveHostName(self, receiver: Any, name: str, portNumber: int) -> None:
        self.asked.append(receiver)

    def answer(self, *addresses: Any) -> None:
        receiver = self.asked[-1]
        receiver.resolutionBegan(None)
        for address in addresses:
            receiver.addressResolved(address)
        receiver.resolutionComplete()


class Borrower:
    """
    Writes down what it is told.
    """

    def __init__(self) -> None:
        self.connection: Any = None
        self.events: list[Any] = []
        self.keeps = False
        self.pool: Any = None
        self.uploading = False
        self.raises = ""

    def _note(self, *event: Any) -> None:
        self.events.append(event[0] if len(event) == 1 else event)
        if self.raises == event[0]:
            raise RuntimeError(self.raises)

    def connection_lent(self, connection: Any) -> None:
        self.connection = connection
        self._note("lent")

    def connection_failed(self, error: Any) -> None:
        self._note("failed", error.code)

    def response_head(self, head: Any) -> None:
        self._note("head", head.status)

    def response_content(self, content: bytes) -> None:
        self._note("content", content)

    def response_ended(self, trailers: Any) -> None:
        if self.pool is not None:
            self.pool.release(self.connection)
        self._note("ended")

    def response_paused(self) -> None:
        self._note("paused")

    def upstream_failed(self, error: Any) -> None:
        self.connection = None
        self._note("broke", error.code)

    def tunnel_data(self, data: bytes) -> None:
        self._note("tunnel", data)

    def tunnel_half_closed(self) -> None:
        self._note("half-closed")

    def waits_for_client(self) -> bool:
        return self.uploading

    def crashed(self) -> None:
        self.events.append("crashed")


def server(path: str) -> Server:
    """
    A server on a UNIX socket.
    """
    return Server(url=f"http+unix:{path}", scheme="http+unix", host="", port=0, path=path)


class UpstreamBench:
    """
    A hub, and an origin on a UNIX socket that accepts when it is told to.
    """

    def __init__(self, folder: Path) -> None:
        self.reactor = HandReactor()
        self.hub = EpollHub(self.reactor)
        self.hub.start()
        self.counters = Counters()
        self.path = str(folder / "o.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(128)
        self.listener.setblocking(False)
        self.sockets: list[socket.socket] = []
        self.pools: list[ServerPool] = []

    def pool(self, timeouts: Timeouts | None = None, **settings: Any) -> ServerPool:
        """
        A pool of the origin.
        """
        upstream = Upstream(name="app", servers=(server(self.path),), **settings)
        made = ServerPool(
            self.hub,
            upstream,
            upstream.servers[0],
            timeouts=timeouts or Timeouts(),
            limits=ReaderLimits(),
            counters=self.counters,
        )
        self.pools.append(made)
        return made

    def spin(self, turns: int = 6) -> None:
        """
        Let everything that is due happen.
        """
        for _ in range(turns):
            self.reactor.advance(0)
            self.hub.doRead()

    def advance(self, seconds: float) -> None:
        """
        Let time pass, second by second.
        """
        for _ in range(int(seconds)):
            self.reactor.advance(1)
            self.spin(2)

    def accept(self) -> socket.socket:
        """
        The origin's side of the next connection.
        """
        self.spin()
        accepted, _ = self.listener.accept()
        accepted.setblocking(False)
        self.sockets.append(accepted)
        return accepted

    def close(self) -> None:
        """
        Give everything back.
        """
        for pool in self.pools:
            pool.close()
        self.hub.stop()
        for sock in [*self.sockets, self.listener]:
            sock.close()
