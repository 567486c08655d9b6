"""
One connection to an origin server: reads its responses and hands them to whom it is lent.

The protocol decides nothing about HTTP beyond what makes it reusable.  While it is lent it calls its borrower
directly: there is no Deferred between an origin's bytes and a client's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import GateError, UpstreamBroke, UpstreamNonsense, UpstreamSilent
from ..http1 import End, ProtocolViolation, ReaderLimits, ResponseHead, ResponseReader
from ..transport import unsent_bytes

if TYPE_CHECKING:
    from ._pool import ServerPool

__all__ = ["IBorrower", "UpstreamConnection"]

_log = Logger()


class IBorrower(Protocol):
    """
    Whom a connection is lent to: an exchange, or a health check.
    """

    def connection_lent(self, connection: UpstreamConnection) -> None:
        """
        A connection that was waited for is here.
        """

    def connection_failed(self, error: GateError) -> None:
        """
        No connection will come.
        """

    def response_head(self, head: ResponseHead) -> None:
        """
        An interim or final head was read.
        """

    def response_content(self, content: bytes) -> None:
        """
        A piece of content was read.
        """

    def response_ended(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """
        The response is complete; the borrower has released the connection when this returns.
        """

    def response_paused(self) -> None:
        """
        All that was received has been handed over, and the response is not complete.
        """

    def upstream_failed(self, error: GateError) -> None:
        """
        The response will not be completed; the connection is gone.
        """

    def tunnel_data(self, data: bytes) -> None:
        """
        Bytes of a tunnel.
        """

    def tunnel_half_closed(self) -> None:
        """
        The origin will send no more through the tunnel.
        """

    def waits_for_client(self) -> bool:
        """
        Is the origin silent because the request is not complete yet?
        """

    def crashed(self) -> None:
        """
        A method of the borrower's raised.  It has no connection any more; whoever waits for it must not wait on.
        """


@implementer(IHalfCloseableProtocol)
class UpstreamConnection(TwistedProtocol):
    """
    A connection of a L{ServerPool}.

    @ivar borrower: whom it is lent to; C{None} while idle.
    @ivar reused: has it answered before?
    @ivar answered: has a byte of the present response arrived?
    @ivar tunnel: do bytes pass without being read as HTTP?
    """

    __slots__ = (
        "_reader",
        "answered",
        "borrower",
        "deadline",
        "deadline_slot",
        "last_unsent",
        "pool",
        "reused",
        "tunnel",
    )

    # The transport is one of ours; Twisted's declaration knows less of it.
    transport: Any

    def __init__(self, pool: ServerPool, limits: ReaderLimits) -> None:
        self.pool = pool
        self._reader = ResponseReader(limits)
        self.borrower: IBorrower | None = None
        self.reused = False
        self.answered = False
        self.tunnel = False
        self.deadline = 0
        self.deadline_slot = 0
        self.last_unsent = -1

    def __repr__(self) -> str:
        state = "tunnel" if self.tunnel else "lent" if self.borrower is not None else "idle"
        return f"<UpstreamConnection {self.pool.server.url} {state}{' reused' if self.reused else ''}>"

    def begin(self, borrower: IBorrower, method: bytes) -> None:
        """
        Lend it for one exchange.

        @param method: of the request; a response to HEAD has no content.
        """
        self.borrower = borrower
        self.answered = False
        self._reader.method = method

    @property
    def clean(self) -> bool:
        """
        Was the last request sent to its end, and its response read to its end with nothing after it?  Only then it may
        be reused.
        """
        reader = self._reader
        transport = self.transport
        return (
            not reader.in_content
            and not reader.buffered
            and not self.tunnel
            and not transport.buffered
            and bool(transport.connected)
        )

    def dataReceived(self, data: bytes) -> None:  # noqa: PLR0912 - one loop over the events beats a call for each
        """
        Bytes from the origin.
        """
        borrower = self.borrower
        if borrower is None:
            # Nothing was asked: whatever it is, it must never be taken for the answer to the next request.
            self.transport.abortConnection()
            return
        if self.tunnel:
            borrower.tunnel_data(data)
            return
        self.answered = True
        reader = self._reader
        reader.receive_data(data)
        try:
            while True:
                event = reader.next_event()
                if event is None:
                    break
                kind = event.__class__
                if kind is bytes:
                    borrower.response_content(event)  # type: ignore[arg-type]  # the class was looked at
                elif kind is ResponseHead:
                    borrower.response_head(event)  # type: ignore[arg-type]  # likewise
                    if self.tunnel:
                        rest = reader.take_rest()
                        if rest and self.borrower is not None:
                            self.borrower.tunnel_data(rest)
                        return
                    if event.framing == 0 and event.status >= 200:  # type: ignore[union-attr]  # likewise
                        borrower.response_ended([])
                        return
                else:
                    borrower.response_ended(event.trailers)  # type: ignore[union-attr]  # likewise
                    return
                if self.borrower is not borrower:
                    return
        except ProtocolViolation as violation:
            self._fail(UpstreamNonsense(str(violation)))
            return
        except Exception:
            # An edge: a mistake of ours in one exchange must neither leave its client waiting nor touch another.
            _log.failure("An exchange failed")
            if self.borrower is borrower:
                self.pool.evict(self)
            borrower.crashed()
            return
        borrower.response_paused()

    def readConnectionLost(self) -> None:
        """
        The origin closed its side in order.
        """
        borrower = self.borrower
        if borrower is None:
            self._leave()
        elif self.tunnel:
            borrower.tunnel_half_closed()
        elif isinstance(self._reader.receive_eof(), End):
            borrower.response_ended([])
        else:
            self._fail(UpstreamBroke("The upstream closed the connection too early."))

    def writeConnectionLost(self) -> None:
        """
        Our side is closed; the other may go on.
        """

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        The connection is over.
        """
        self.pool.forget(self)
        borrower, self.borrower = self.borrower, None
        self.deadline = 0
        self._reader.forget()
        if borrower is not None:
            self.pool.lost(self)
            borrower.upstream_failed(UpstreamBroke("The upstream closed the connection too early."))

    def deadline_passed(self) -> None:
        """
        The origin was silent, or took nothing, for too long; or it idled long enough.
        """
        borrower = self.borrower
        transport = self.transport
        if borrower is None:
            if transport.disconnecting:
                transport.abortConnection()
            else:
                self._leave()
            return
        unsent = unsent_bytes(transport) if transport.buffered else 0
        if unsent != self.last_unsent if unsent else borrower.waits_for_client():
            # It still takes what we send, slowly, or there is nothing to take: that is no silence of the origin's.
            self.last_unsent = unsent
            self.pool.hub.deadlines.set(self, self.pool.timeouts.body)
            return
        self._fail(UpstreamSilent("The upstream sent nothing for too long."))

    def _leave(self) -> None:
        # Nobody may be lent it while the close is still on its way.
        self.pool.forget(self)
        self.transport.loseConnection()

    def _fail(self, error: GateError) -> None:
        borrower, self.borrower = self.borrower, None
        self.transport.abortConnection()
        if borrower is not None:
            self.pool.lost(self)
            borrower.upstream_failed(error)
