"""
What happens between accept and the first byte that a channel sees.

::

    accepted -- from a PROXY network --> PROXY header read --+
        |                                                    |
        +-------------------- others ------------------------+--> http binding: the channel begins
                                                             |
                                                             +--> https binding, by the first bytes:
                                                                    TLS --> handshake --> the channel begins
                                                                    HTTP --> 308 to https
                                                                    else --> closed

Bytes are peeked at (C{MSG_PEEK}), so that whoever comes next reads the socket from its beginning; only a PROXY header
is consumed.  Without PROXY, strict names and live challenges (nearly always) nothing of this is needed: OpenSSL's
transport looks at one byte itself.  One deadline covers all of it, the handshake included.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from OpenSSL import SSL
from twisted.internet.interfaces import IDelayedCall, IProtocol

from ..tls import LONGEST, UNRECOGNIZED_NAME_ALERT, ClientHello, Peeked, read_client_hello
from ..transport import (
    ERROR,
    HANGUP,
    READ,
    MalformedProxyHeader,
    ProxyHeader,
    StreamTransport,
    TLSTransport,
    parse_proxy_header,
)
from ..transport import MAXIMUM_PROXY_HEADER as MAXIMUM_HEADER
from ._accept import ClientSocket

if TYPE_CHECKING:
    from ._reception import Reception

__all__ = ["Arrival"]

# RFC 8446 §5.1: ContentType.handshake
HANDSHAKE_RECORD: Final = 0x16

# "The peer will send no more", where epoll tells (ReactorHub does not, and need not).
_PEER_ENDED: Final[int] = getattr(select, "EPOLLRDHUP", 0)

# Where a socket is ready although nothing came, look again after this many seconds: UNIX sockets know no SO_RCVLOWAT.
LOOK_AGAIN: Final = 0.02


class Arrival:
    """
    One connection of a binding, from accept to its end.

    @ivar peer: the client's raw address; a PROXY header's source once it is read.
    @ivar transport: what carries the channel; C{None} before.
    """

    __slots__ = (
        "_address",
        "_look_again",
        "_on_event",
        "_reception",
        "_seen",
        "_sock",
        "_watched",
        "deadline",
        "deadline_slot",
        "host",
        "peer",
        "transport",
    )

    def __init__(self, reception: Reception, sock: ClientSocket, peer: Any) -> None:
        self._reception = reception
        self._sock = sock
        self._address = ""
        self._seen = 0
        self._watched = False
        self._on_event: Callable[[int], None] = self._first_bytes
        self._look_again: IDelayedCall | None = None
        self.deadline = 0
        self.deadline_slot = 0
        self.peer = peer
        self.host: Any = reception.host
        self.transport: StreamTransport | None = None

    @property
    def protocol(self) -> IProtocol | None:
        """
        The channel, while there is one.
        """
        return None if self.transport is None else self.transport.protocol

    def await_proxy_header(self) -> None:
        """
        The peer is a proxy that names its client first.
        """
        self._reception.hub.deadlines.set(self, self._reception.handshake_timeout)
        self._watch(self._proxy_header)

    def identify(self, peer: Any, host: Any) -> None:
        """
        The client's address is known: count it, and go on with what it says.
        """
        reception = self._reception
        self.peer = peer
        self.host = host
        address = peer[0] if isinstance(peer, tuple) else ""
        if not reception.admission.enter_address(address):
            self._unwatch()
            reception.over_address_limit(self._sock)
            return
        self._address = address
        terminator = reception.terminator
        if terminator is None:
            self._begin_plain(reception.build_channel)
        elif terminator.challenges or terminator.selector.strict:
            # The context, or a refusal, depends on the ClientHello: read all of it before OpenSSL does.
            if not self.deadline:
                reception.hub.deadlines.set(self, reception.handshake_timeout)
            self._watch(self._first_bytes)
        else:
            self._handshake(terminator.context, self._not_tls)

    # Peeking

    def _watch(self, on_event: Callable[[int], None]) -> None:
        hub = self._reception.hub
        if self._watched:
            hub.replace(self._sock.fileno(), on_event)
        else:
            hub.add(self._sock.fileno(), on_event, READ | _PEER_ENDED)
            self._watched = True
        self._on_event = on_event

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._reception.hub.remove(self._sock.fileno())
        look_again, self._look_again = self._look_again, None
        if look_again is not None:
            look_again.cancel()

    def _peek(self, size: int, events: int) -> bytes | None:
        """
        The first bytes of the socket, if there are more than last time; else the end is dealt with, or awaited.
        """
        try:
            first = self._sock.recv(size, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            self._fail("reset")
            return None
        if len(first) > self._seen:
            return first
        if not first or events & (_PEER_ENDED | HANGUP | ERROR):
            self._fail("closed")
        else:
            self._rest()
        return None

    def _need_more(self, seen: int) -> None:
        """
        Wait until more than C{seen} bytes are there, without spinning over those that are.
        """
        self._seen = seen
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
        except OSError:
            pass  # _rest covers it.

    def _rest(self) -> None:
        """
        The socket is ready without anything new: look again later.
        """
        self._unwatch()
        self._look_again = self._reception.hub.reactor.callLater(LOOK_AGAIN, self._resume)

    def _resume(self) -> None:
        self._look_again = None
        self._watch(self._on_event)

    def _seen_enough(self) -> None:
        if self._seen:
            self._seen = 0
            try:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            except OSError:
                pass  # It could not be set either.

    # The PROXY header

    def _proxy_header(self, events: int) -> None:
        first = self._peek(MAXIMUM_HEADER, events)
        if first is None:
            return
        try:
            header = parse_proxy_header(first)
        except MalformedProxyHeader:
            self._fail("proxy-header")
            return
        if header is None:
            self._need_more(len(first))
            return
        self._seen_enough()
        try:
            self._sock.recv(header.consumed)
        except OSError:
            self._fail("reset")
            return
        self._proxied(header)

    def _proxied(self, header: ProxyHeader) -> None:
        reception = self._reception
        if reception.terminator is None:
            self._unwatch()
            reception.hub.deadlines.clear(self)
        # LOCAL and UNKNOWN: the proxy speaks for itself.
        self.identify(header.source or self.peer, header.destination or self.host)

    # What an https binding is sent

    def _first_bytes(self, events: int) -> None:
        terminator = self._reception.terminator
        assert terminator is not None  # only https bindings come here, and a binding keeps its scheme
        first = self._peek(LONGEST, events)
        if first is None:
            return
        hello = read_client_hello(first)
        if hello is Peeked.NEED_MORE:
            self._need_more(len(first))
        elif hello is Peeked.PLAIN_HTTP:
            self._plain_on_tls()
        elif isinstance(hello, ClientHello):
            if terminator.refuses(hello):
                self._refuse_name()
            else:
                self._handshake(terminator.context_for(hello))
        elif first[0] == HANDSHAKE_RECORD:
            # OpenSSL knows the right alert.
            self._handshake(terminator.context)
        else:
            self._fail("not-tls")

    def _handshake(self, context: SSL.Context, not_tls: Callable[[socket.socket], None] | None = None) -> None:
        """
        Let OpenSSL read the connection from its beginning.
        """
        reception = self._reception
        deadlines = reception.hub.deadlines
        left = reception.handshake_timeout
        if self.deadline:
            left = max(1, self.deadline - deadlines.now) * deadlines.tick
            deadlines.clear(self)
        self._seen_enough()
        self._unwatch()
        transport = TLSTransport(reception.hub, self._sock, self.peer, self.host, context)
        self.transport = transport
        transport.start(self._build_channel, self._handshake_done, left, not_tls)

    def _build_channel(self) -> IProtocol:
        return self._reception.build_channel(self.peer)

    def _handshake_done(self, transport: TLSTransport, failure: str) -> None:
        counters = self._reception.counters
        if not failure:
            counters.handshakes[transport.tls_version, "ok"] += 1
        elif self._sock.fileno() >= 0:
            self.transport = None  # Handed over to _not_tls.
        else:
            self._count_failure(failure)

    def _not_tls(self, sock: socket.socket) -> None:
        """
        The first byte is none of TLS: look closer.
        """
        self._reception.hub.deadlines.set(self, self._reception.handshake_timeout)
        self._watch(self._first_bytes)

    def _count_failure(self, reason: str) -> None:
        counters = self._reception.counters
        counters.handshakes["unknown", "failed"] += 1
        counters.handshake_failures[reason] += 1

    def _refuse_name(self) -> None:
        self._count_failure("unrecognized-name")
        try:
            # A reset for unread input would overtake the alert.
            self._sock.recv(65536)
            self._sock.send(UNRECOGNIZED_NAME_ALERT)
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The client is gone already.
        self._close()

    def _plain_on_tls(self) -> None:
        reception = self._reception
        self._count_failure("plain-http")
        if reception.build_plain_on_tls is None:
            self._close()
            return
        self._seen_enough()
        self._unwatch()
        reception.hub.deadlines.clear(self)
        self._begin_plain(reception.build_plain_on_tls)

    # Ends

    def _begin_plain(self, build: Callable[[Any], IProtocol]) -> None:
        transport = self.transport = StreamTransport(self._reception.hub, self._sock, self.peer, self.host)
        transport.start(build(self.peer))

    def deadline_passed(self) -> None:
        """
        See L{Subject}: the client said too little in its time.
        """
        self._fail("timeout")

    def abort(self) -> None:
        """
        Close the connection at once, whatever it does.
        """
        if self.transport is not None:
            self.transport.abortConnection()
        else:
            self._close()

    def crashed(self) -> None:
        """
        See L{IHub}.
        """
        self._watched = False
        self._close()

    def _fail(self, reason: str) -> None:
        if self._on_event == self._proxy_header:
            self._reception.counters.refused[f"proxy-protocol-{reason}"] += 1
        else:
            self._count_failure(reason)
        self._close()

    def _close(self) -> None:
        self._unwatch()
        self._sock.close()

    def gone(self) -> None:
        """
        The socket is closed: count it out.
        """
        reception = self._reception
        reception.hub.deadlines.clear(self)
        reception.arrivals.discard(self)
        reception.admission.leave()
        reception.admission.leave_address(self._address)
        reception.counters.connections[reception.name] -= 1
