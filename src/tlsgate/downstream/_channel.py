"""
One client connection: reads requests, one exchange at a time, and answers them in order.

The channel knows the transport and the parser and decides nothing about HTTP: that is L{_exchange}.  What a client sends ahead
while an exchange runs is held, bounded, and read after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..http1 import End, ProtocolViolation, RequestReader
from ..transport import IEndObserver, unsent_bytes
from ._exchange import Exchange

if TYPE_CHECKING:
    from ._plane import Plane
    from ._routing import ServedSite
    from ._tunnel import Tunnel

__all__ = ["Channel"]

#: Seconds that a client has to read a last answer before its connection is reset.
LINGER = 3.0

#: Seconds that a drain leaves a new connection for its first request.
FIRST_REQUEST_GRACE = 3.0

_log = Logger()


@implementer(IEndObserver, IHalfCloseableProtocol, IPushProducer)
class Channel(Protocol):
    """
    The protocol of one client connection.

    @ivar plane: shared by all channels of the process.
    @ivar peer_ip: the client's address; empty for a UNIX socket.
    @ivar port: of the binding, as clients see it.
    @ivar strict: refuse hosts of another site than the server name's (421).
    @ivar exchange: the one that runs, or C{None}.
    @ivar fields_memo: see L{_meaning}.
    """

    __slots__ = (
        "_advancing",
        "_closing",
        "_fresh",
        "_head_begun",
        "_paused",
        "_window_bytes",
        "binding",
        "deadline",
        "deadline_slot",
        "exchange",
        "last_unsent",
        "peer",
        "peer_ip",
        "plane",
        "reader",
        "tunnel",
    )

    transport: Any

    def __init__(self, plane: Plane, binding: Any, peer: Any) -> None:
        """
        @param binding: what all connections of the binding share; see L{ChannelSource<_source.ChannelSource>}.
        @param peer: the client's raw address.
        """
        self.plane = plane
        self.binding = binding
        self.peer = peer
        self.peer_ip: str = peer[0].partition("%")[0] if isinstance(peer, tuple) else ""
        self.reader = RequestReader(plane.reader_limits)
        self.exchange: Exchange | None = None
        self.tunnel: Tunnel | None = None
        self.deadline = 0
        self.deadline_slot = 0
        self.last_unsent = -1
        self._head_begun = False
        self._advancing = False
        self._closing = False
        self._fresh = True
        self._paused = False
        self._window_bytes = 0

    def __repr__(self) -> str:
        return f"<Channel {self.peer_ip} {self.exchange!r}>"

    # Twisted's side.

    def connectionMade(self) -> None:
        """
        The client is here; its first head has the usual time to arrive.
        """
        self.plane.deadlines.set(self, self.plane.timeouts.head)

    def dataReceived(self, data: bytes) -> None:
        """
        Bytes from the client.
        """
        if self.tunnel is not None:
            self.tunnel.from_downstream(data)
            return
        if self._closing:
            return
        reader = self.reader
        reader.receive_data(data)
        exchange = self.exchange
        if exchange is None:
            self._advance()
        elif reader.in_content and exchange.takes_content:
            self._pump_content(exchange)
        elif reader.buffered > self.plane.limits.target and not self._paused:
            # Pipelined ahead: hold a little, then let TCP hold the rest.
            self.pauseProducing()

    def readConnectionLost(self) -> None:
        """
        The client will send no more: a tunnel may go on, an exchange is of no use to anyone.
        """
        if self.tunnel is not None:
            self.tunnel.downstream_half_closed()
        elif self.exchange is None:
            self.transport.loseConnection()
        else:
            self._client_gone()
            self.transport.abortConnection()

    def peer_ended(self) -> None:
        """
        See L{IEndObserver}: while an upstream that stalls holds up an upload, say.  A tunnel delivers all that came.
        """
        if self.tunnel is None and self.exchange is not None:
            self.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """
        Our side is closed.
        """

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        The connection is over.
        """
        self.deadline = 0
        self._closing = True
        # Deadlines may list a cleared channel for seconds, and a head that was begun may be large.
        self.reader.forget()
        if self.tunnel is not None:
            self.tunnel.downstream_lost()
        self._client_gone()

    def _client_gone(self) -> None:
        exchange, self.exchange = self.exchange, None
        self._closing = True
        if exchange is not None:
            exchange.client_gone()

    def pauseProducing(self) -> None:
        """
        Read no more from the client for now.
        """
        self._paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        Read from the client again.
        """
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """
        The upstream that took the client's content is gone.
        """
        self.resumeProducing()

    # Requests, one after the other.

    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        try:
            while self.exchange is None and not self._closing:
                try:
                    head = self.reader.next_event()
                except ProtocolViolation as violation:
                    self._refuse(violation)
                    return
                if head is None:
                    self._await_head()
                    return
                self._head_begun = False
                self.deadline = 0
                exchange = self.exchange = Exchange(self, head)  # type: ignore[arg-type]  # between messages it is a head
                exchange.begin()
                if head.framing and self.exchange is exchange:  # type: ignore[union-attr]  # likewise
                    self._begin_content()
                    self._pump_content(exchange)
        finally:
            self._advancing = False

    def _advance_safely(self) -> None:
        try:
            self._advance()
        except Exception:
            # An edge: this is called from an upstream's event, which is not to end for a mistake in the next exchange.
            _log.failure("An exchange failed to begin")
            self._client_gone()
            self.transport.abortConnection()

    def _await_head(self) -> None:
        deadlines = self.plane.deadlines
        if not self.reader.head_begun:
            # Some clients end content with a spare CRLF: that is no request that could be late.
            if not self._fresh:
                deadlines.set(self, self.plane.timeouts.idle)
        elif not self._head_begun:
            # From its first byte on a head has its time, however often a byte of it comes.
            self._head_begun = True
            deadlines.set(self, self.plane.timeouts.head)
        if self._paused:
            self.resumeProducing()

    def exchange_finished(self, keep_alive: bool) -> None:
        """
        The present exchange has been answered and logged.
        """
        self.exchange = None
        self._fresh = False
        reader = self.reader
        if not keep_alive or reader.in_content:
            self.close()
            return
        if self._paused:
            self.resumeProducing()
        if reader.buffered:
            self._advance_safely()
        elif not self._closing:
            self.plane.deadlines.set(self, self.plane.timeouts.idle)

    # Content.

    def _begin_content(self) -> None:
        self._window_bytes = 0
        self.plane.deadlines.set(self, self._content_window())

    def _content_window(self) -> float:
        return min(self.plane.timeouts.body, self.plane.limits.body_rate_window)

    def _pump_content(self, exchange: Exchange) -> None:
        reader = self.reader
        try:
            while exchange.takes_content:
                event = reader.next_event()
                if event is None:
                    return
                if event.__class__ is End:
                    self.deadline = 0
                    exchange.request_ended(event.trailers)
                    return
                self._window_bytes += len(event)  # type: ignore[arg-type]  # likewise: it is content
                exchange.request_content(event)  # type: ignore[arg-type]  # likewise
        except ProtocolViolation as violation:
            exchange.malformed(violation)

    # Ends.

    def _refuse(self, violation: ProtocolViolation) -> None:
        exchange = self.exchange = Exchange(self, None)
        exchange.malformed(violation)

    def close(self) -> None:
        """
        Close in order: let the client read what was written, even if it still sends.
        """
        if self._closing:
            return
        self._closing = True
        self.resumeProducing()
        self.last_unsent = -1
        # Unread bytes make a close a reset, and a reset can destroy the answer on its way: the transport ends our side,
        # and reads the client's into nothing for a while.
        self.transport.linger = LINGER
        self.transport.loseConnection()
        self.plane.deadlines.set(self, self.plane.timeouts.body)

    def drain(self) -> None:
        """
        End after the present exchange; an idle connection ends now, a new one after its first exchange.
        """
        if self.exchange is not None:
            self.exchange.last()
        elif self.tunnel is None and not self.reader.head_begun:
            if self._fresh:
                # Its request is likely to be on its way, and nobody has told the client to expect an end.
                self.plane.deadlines.set(self, min(FIRST_REQUEST_GRACE, self.plane.timeouts.head))
            else:
                self.close()

    def begin_tunnel(self, tunnel: Tunnel) -> bytes:
        """
        Bytes are no longer HTTP.

        @return: what the client has already sent into the tunnel.
        """
        self.tunnel = tunnel
        self.exchange = None
        return self.reader.take_rest()

    def deadline_passed(self) -> None:
        """
        The client took too long for what it was doing.
        """
        exchange = self.exchange
        if self.tunnel is not None:
            self.tunnel.idle()
        elif self._head_begun and exchange is None and not self._closing:
            self._refuse(ProtocolViolation("The request did not arrive in time.", 408, "head-timeout"))
        elif exchange is not None and not exchange.writing_stalled:
            self._look_at_sender(exchange)
        elif self._still_reads():
            self.plane.deadlines.set(self, self.plane.timeouts.body)
        elif exchange is None and not self._closing:
            self.close()
        else:
            if exchange is not None:
                self.plane.counters.refused["slow-reader"] += 1
            self.transport.abortConnection()

    def _still_reads(self) -> bool:
        # A client may read slowly as long as it reads, whether its response is still coming or all but over.
        before, self.last_unsent = self.last_unsent, unsent_bytes(self.transport)
        return self.last_unsent > 0 and (before < 0 or self.last_unsent < before)

    def _look_at_sender(self, exchange: Exchange) -> None:
        # The client sends content slowly, or our upstream takes it slowly: only the first is held against it.
        limits = self.plane.limits
        window = self._content_window()
        received, self._window_bytes = self._window_bytes, 0
        if (
            self._paused
            or exchange.content_may_wait()
            or received > limits.body_rate * window
            or (received and not limits.body_rate)
        ):
            self.plane.deadlines.set(self, window)
            return
        exchange.malformed(ProtocolViolation("The content of the request came too slowly.", 408, "body-timeout"))

    def assumed_site(self) -> ServedSite | None:
        """
        The site of a request that cannot be read: the one of the server name that the client asked for.
        """
        name = self.transport.server_name if self.binding.secure else ""
        return self.plane.routes.find(name.encode("ascii", "replace"))
