"""
A connection on its way: name to address to socket to handshake.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from twisted.internet.error import TimeoutError as ConnectTimedOut
from twisted.internet.interfaces import IDelayedCall

from ..errors import GateError, UpstreamRefused, UpstreamSilent
from ..tls import is_address, normalise, verify_upstream
from ..transport import Connecting, StreamTransport, TLSTransport
from ..transport import encode_proxy_header as encode
from ._connection import IBorrower, UpstreamConnection

if TYPE_CHECKING:
    from ._pool import ServerPool

__all__ = ["Opening"]


class Opening:
    """
    Opens one connection of a pool for one borrower, and tells the pool of the outcome once.

    The name and the connection share one time (C{timeouts.connect}), the handshake has its own.

    @ivar method: of the borrower's request.
    """

    __slots__ = ("_begun", "_connecting", "_looking", "_over", "_pool", "_transport", "borrower", "method")

    def __init__(self, pool: ServerPool, borrower: IBorrower, method: bytes) -> None:
        self._pool = pool
        self.borrower = borrower
        self.method = method
        self._begun = 0.0
        self._looking: IDelayedCall | None = None
        self._connecting: Connecting | None = None
        self._transport: Any = None
        self._over = False

    def begin(self) -> None:
        """
        Ask for the addresses; all else follows.  The pool may be told before this returns.
        """
        pool = self._pool
        reactor = pool.hub.reactor
        self._begun = reactor.seconds()
        pool.addresses().ask(self._resolved)
        if self._connecting is None and not self._over:
            self._looking = reactor.callLater(pool.timeouts.connect, self._looked_too_long)

    def cancel(self) -> None:
        """
        Give up and say nothing.
        """
        self._over = True
        if self._looking is not None:
            self._look_no_longer()
            self._pool.addresses().forget(self._resolved)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abortConnection()

    def _look_no_longer(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()

    def _looked_too_long(self) -> None:
        # A resolver may take minutes to give up; the borrower's client will not wait that long.
        self._looking = None
        self._pool.addresses().forget(self._resolved)
        self._fail(UpstreamSilent(f"The name {self._pool.server.host} was not resolved in time."))

    def _resolved(self, addresses: list[tuple[int, Any]]) -> None:
        if self._over:
            return  # Ended by another's answer a moment ago.
        self._look_no_longer()
        pool = self._pool
        if not addresses:
            self._fail(UpstreamRefused(f"The name {pool.server.host} does not resolve."))
            return
        self._connecting = Connecting(
            pool.hub,
            addresses,
            timeout=max(0.0, self._begun + pool.timeouts.connect - pool.hub.reactor.seconds()),
            connected=self._connected,
            failed=self._not_connected,
        )

    def _not_connected(self, error: Exception) -> None:
        if isinstance(error, ConnectTimedOut):
            self._fail(UpstreamSilent("The upstream did not accept a connection in time."))
        else:
            # Not the error's own text in full: it may name addresses that are the operator's business.
            self._fail(UpstreamRefused(f"The upstream did not accept a connection ({type(error).__name__})."))

    def _connected(self, sock: socket.socket, address: Any) -> None:
        self._connecting = None
        pool = self._pool
        peer = address[1]
        host = sock.getsockname()
        header = b""
        if pool.upstream.proxy_protocol:
            source, destination = getattr(self.borrower, "proxied_addresses", (None, None))
            header = encode(pool.upstream.proxy_protocol, source, destination)
        context = pool.context
        if context is None:
            connection = UpstreamConnection(pool, pool.limits)
            transport = StreamTransport(pool.hub, sock, peer, host)
            transport.start(connection)
            if header:
                transport.write(header)
            self._over = True
            pool.opened(self, connection)
            return
        if header:
            sock.send(header)  # A fresh socket takes 100 bytes.
        name = pool.upstream.server_name or pool.server.host
        self._transport = tls = TLSTransport(pool.hub, sock, peer, host, context, client=True, server_name=_sni(name))
        tls.start(self._build_connection, self._handshake_done, pool.timeouts.handshake)

    def _handshake_done(self, transport: TLSTransport, reason: str) -> None:
        if self._over:
            transport.abortConnection()
            return
        if reason:
            kind = UpstreamSilent if reason == "timeout" else UpstreamRefused
            self._fail(kind(f"The TLS handshake with the upstream failed ({reason})."))
            return
        pool = self._pool
        name = pool.upstream.server_name or pool.server.host
        try:
            verify_upstream(transport.peer_certificate(), name)
        except UpstreamRefused as error:
            transport.abortConnection()
            self._fail(error)

    def _build_connection(self) -> UpstreamConnection:
        connection = _FreshConnection(self._pool, self._pool.limits)
        connection.opening = self
        return connection

    def handed_over(self, connection: UpstreamConnection) -> None:
        """
        The protocol of a TLS connection has its transport.
        """
        self._over = True
        self._pool.opened(self, connection)

    def _fail(self, error: GateError) -> None:
        if not self._over:
            self._over = True
            self._pool.failed(self, error)


class _FreshConnection(UpstreamConnection):
    """
    A connection that tells its opening when it is made: over TLS the transport makes the protocol.
    """

    __slots__ = ("opening",)

    opening: Opening | None

    def connectionMade(self) -> None:
        opening, self.opening = self.opening, None
        if opening is not None:
            opening.handed_over(self)


def _sni(name: str) -> bytes | None:
    # RFC 6066 section 3: literal addresses are not permitted in server_name.
    return None if is_address(normalise(name)) else normalise(name).encode("ascii")
