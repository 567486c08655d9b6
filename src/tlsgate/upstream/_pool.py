"""
The connections to one server.

A connection is interchangeable with another if everything that L{PoolKey<_key.PoolKey>} lists is equal; there is one
pool for each key, and a pool whose key is part of the next snapshot lives on with its connections.

To lend one, there are three cases:

1. An idle connection is there: lend the one that was used last, since the origin is least likely to have closed it.
2. No connection is idle and the server may have another: open one, and lend it when it is there.
3. The server has all it may have: wait in line, and take the next that is released.

The line is bounded in length and in time; whoever does not fit is refused at once.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ..counters import Counters
from ..errors import GateError, NoUpstream
from ..http1 import ReaderLimits
from ..sites import Server, Timeouts, Upstream
from ..tls import client_context
from ._addresses import ServerAddresses
from ._connection import IBorrower, UpstreamConnection
from ._opening import Opening

__all__ = ["IDLE_TIMEOUT", "ServerPool"]

#: Seconds that an idle connection is kept; origins commonly close theirs after 60 or 75.
IDLE_TIMEOUT: Final = 50

_log = Logger()


class ServerPool:
    """
    Lends connections to one server of an upstream.

    @ivar outstanding: exchanges that have or await a connection.
    @ivar up: may the server be picked?  L{_health} decides.
    @ivar failures: consecutive failures of exchanges.
    @ivar failed_checks: consecutive failures of active checks.
    @ivar successes: consecutive successful checks.
    """

    def __init__(
        self,
        hub: Any,
        upstream: Upstream,
        server: Server,
        *,
        timeouts: Timeouts,
        limits: ReaderLimits,
        counters: Counters,
    ) -> None:
        self.hub = hub
        self.upstream = upstream
        self.server = server
        self.timeouts = timeouts
        self.limits = limits
        self.outstanding = 0
        self.up = True
        self.failures = 0
        self.failed_checks = 0
        self.successes = 0
        self.counters = counters
        self._addresses = ServerAddresses(hub.reactor, server)
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._opening: dict[IBorrower, Opening] = {}
        self._waiting: deque[_Waiting] = deque()
        self._context: SSL.Context | None = None
        self._closed = False
        if server.scheme == "https":
            self._context = client_context(ca_pem=upstream.ca_pem, client_certificate=upstream.client_certificate)

    def __repr__(self) -> str:
        return (
            f"<ServerPool {self.server.url} [{self.outstanding} outstanding, {len(self._idle)} idle, "
            f"{len(self._opening)} opening, {len(self._waiting)} waiting]>"
        )

    @property
    def name(self) -> str:
        """
        What the consistent hash knows the server by.
        """
        return self.server.url

    @property
    def idle(self) -> int:
        """
        Idle connections now.
        """
        return len(self._idle)

    @property
    def active(self) -> int:
        """
        Connections that are lent now.
        """
        return len(self._open) - len(self._idle)

    def update(self, upstream: Upstream, server: Server, timeouts: Timeouts, limits: ReaderLimits) -> None:
        """
        Go on with the next snapshot's settings; the key is the same.
        """
        self.upstream = upstream
        self.server = server
        self.timeouts = timeouts
        self.limits = limits
        self._serve_next()

    def lend(self, borrower: IBorrower, method: bytes, fresh: bool = False) -> UpstreamConnection | None:
        """
        A connection, or C{None}: then the borrower is called when there is one, or none will come.

        @param fresh: none that has been used before.

        @raise NoUpstream: too many are waiting already.
        """
        # 1. An idle one, last used first.
        idle = self._idle
        while idle and not fresh:
            connection = idle.pop()
            if connection.transport.connected:
                self.outstanding += 1
                connection.reused = True
                connection.begin(borrower, method)
                return connection
        # 2. A new one.
        if idle and not self._has_room():
            # Only a fresh one will do: an idle one, the oldest, makes room.
            oldest = idle.pop(0)
            self._open.discard(oldest)
            oldest.transport.loseConnection()
        if self._has_room():
            self.outstanding += 1
            self._open_for(borrower, method)
            return None
        # 3. In line.
        if len(self._waiting) >= self.upstream.queue:
            raise NoUpstream("All connections to the upstream are in use, and the queue is full.")
        self.outstanding += 1
        self._waiting.append(_Waiting(self, borrower, method))
        return None

    def _has_room(self) -> bool:
        most = self.upstream.max_connections
        return not most or len(self._open) + len(self._opening) < most

    def _open_for(self, borrower: IBorrower, method: bytes) -> None:
        opening = self._opening[borrower] = Opening(self, borrower, method)
        opening.begin()

    def give_up(self, borrower: IBorrower) -> bool:
        """
        The borrower waits no longer.

        @return: was a connection on its way?
        """
        opening = self._opening.pop(borrower, None)
        if opening is not None:
            self.outstanding -= 1
            opening.cancel()
            self._serve_next()
            return True
        for waiting in self._waiting:
            if waiting.borrower is borrower:
                self._waiting.remove(waiting)
                waiting.cancel()
                self.outstanding -= 1
                break
        return False

    def release(self, connection: UpstreamConnection) -> None:
        """
        Take a connection back after a complete exchange; it is kept if it is clean.
        """
        self.outstanding -= 1
        connection.borrower = None
        # A PROXY header speaks for one client: its connection serves no other.
        if not connection.clean or self._closed or self.upstream.proxy_protocol:
            self._end(connection)
        elif self._waiting:
            self._hand_over(connection)
        elif len(self._idle) >= self.upstream.max_idle:
            self._end(connection)
        else:
            self._idle.append(connection)
            self.hub.deadlines.set(connection, IDLE_TIMEOUT)

    def evict(self, connection: UpstreamConnection, *, orderly: bool = False) -> None:
        """
        Take a connection back that must not be used again.

        @param orderly: let what was written be sent.
        """
        self.outstanding -= 1
        connection.borrower = None
        if orderly:
            connection.transport.loseConnection()
            # Should the server not take the rest.
            self.hub.deadlines.set(connection, self.timeouts.body)
        else:
            connection.transport.abortConnection()

    @staticmethod
    def _end(connection: UpstreamConnection) -> None:
        transport = connection.transport
        if transport.buffered:
            # Answered before it took all of the request: nobody wants it to have the rest.
            transport.abortConnection()
        else:
            transport.loseConnection()

    def lost(self, connection: UpstreamConnection) -> None:
        """
        A connection ended, or had to be ended, while it was lent; its borrower is told next.
        """
        self.outstanding -= 1
        self._open.discard(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """
        A connection is closed.
        """
        self._open.discard(connection)
        if connection.borrower is None and connection in self._idle:
            self._idle.remove(connection)
        self._serve_next()

    def close(self) -> None:
        """
        Keep nothing: idle connections end now, lent ones when they are released.
        """
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.transport.loseConnection()

    def opened(self, opening: Opening, connection: UpstreamConnection) -> None:
        """
        A connection is there.
        """
        self._opening.pop(opening.borrower, None)
        self._open.add(connection)
        self._lend_late(connection, opening.borrower, opening.method)

    def failed(self, opening: Opening, error: GateError) -> None:
        """
        No connection could be opened.
        """
        if self._opening.pop(opening.borrower, None) is None:
            return
        self.outstanding -= 1
        self._refuse(opening.borrower, error)
        self._serve_next()

    def _hand_over(self, connection: UpstreamConnection) -> None:
        waiting = self._waiting.popleft()
        waiting.cancel()
        connection.reused = True
        self._lend_late(connection, waiting.borrower, waiting.method)

    def _lend_late(self, connection: UpstreamConnection, borrower: IBorrower, method: bytes) -> None:
        # Called from within another exchange's end: a mistake of ours in this one must stay in this one.
        connection.begin(borrower, method)
        try:
            borrower.connection_lent(connection)
        except Exception:
            _log.failure("An exchange failed to begin")
            if connection.borrower is borrower:
                self.evict(connection)
            borrower.crashed()

    @staticmethod
    def _refuse(borrower: IBorrower, error: GateError) -> None:
        try:
            borrower.connection_failed(error)
        except Exception:
            _log.failure("An exchange failed to end")
            borrower.crashed()

    def _serve_next(self) -> None:
        # A place became free: whoever waited longest opens a connection of its own.
        while self._waiting and self._has_room():
            waiting = self._waiting.popleft()
            waiting.cancel()
            self._open_for(waiting.borrower, waiting.method)

    def waited_too_long(self, waiting: _Waiting) -> None:
        """
        The line moved too slowly for someone.
        """
        self._waiting.remove(waiting)
        self.outstanding -= 1
        self._refuse(waiting.borrower, NoUpstream("All connections to the upstream are in use."))

    def addresses(self) -> ServerAddresses:
        """
        Where the server is.
        """
        return self._addresses

    @property
    def context(self) -> SSL.Context | None:
        """
        The TLS context of an https server.
        """
        return self._context


class _Waiting:
    """
    A borrower in line.
    """

    __slots__ = ("_call", "borrower", "method")

    def __init__(self, pool: ServerPool, borrower: IBorrower, method: bytes) -> None:
        self.borrower = borrower
        self.method = method
        self._call: IDelayedCall = pool.hub.reactor.callLater(pool.upstream.queue_timeout, pool.waited_too_long, self)

    def cancel(self) -> None:
        if self._call.active():
            self._call.cancel()
