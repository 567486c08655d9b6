"""
How a binding receives its clients: who is counted in, who is turned away, and what is common to all of them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.interfaces import IProtocol

from ..counters import Counters
from ..sites import Network
from ..tls import Terminator
from ..transport import IHub
from ._accept import ClientSocket
from ._admission import Admission
from ._preface import Arrival

__all__ = ["Reception"]


class Reception:
    """
    How a binding receives its clients, as it is now.  Shared by all its arrivals; changed by assignment.

    @ivar name: the binding's.
    @ivar host: the raw address that it listens on.
    @ivar terminator: the TLS side; C{None} on an http binding.
    @ivar proxy_networks: peers that must begin with a PROXY header.
    @ivar handshake_timeout: seconds for everything before the channel.
    @ivar build_channel: makes the protocol of a connection from its client's raw address.
    @ivar build_plain_on_tls: likewise for a plain-HTTP client of an https binding; C{None} closes those.
    @ivar arrivals: every open connection.
    """

    __slots__ = (
        "admission",
        "arrivals",
        "build_channel",
        "build_plain_on_tls",
        "counters",
        "handshake_timeout",
        "host",
        "hub",
        "name",
        "proxy_networks",
        "terminator",
    )

    def __init__(
        self,
        hub: IHub,
        *,
        name: str,
        host: Any,
        counters: Counters,
        admission: Admission,
        build_channel: Callable[[Any], IProtocol],
        build_plain_on_tls: Callable[[Any], IProtocol] | None = None,
    ) -> None:
        self.hub = hub
        self.name = name
        self.host = host
        self.counters = counters
        self.admission = admission
        self.build_channel = build_channel
        self.build_plain_on_tls = build_plain_on_tls
        self.terminator: Terminator | None = None
        self.proxy_networks: tuple[Network, ...] = ()
        self.handshake_timeout = 10.0
        self.arrivals: set[Arrival] = set()

    def receive(self, sock: ClientSocket, peer: Any) -> None:
        """
        Begin with an accepted connection.

        @param peer: its raw address.
        """
        counters = self.counters
        counters.connections_accepted[self.name] += 1
        if not self.admission.enter():
            counters.refused["connections"] += 1
            self._turn_away(sock)
            return
        counters.connections[self.name] += 1
        peer = _unmapped(peer)
        arrival = Arrival(self, sock, peer)
        self.arrivals.add(arrival)
        sock.on_close = arrival.gone
        try:
            if self.proxy_networks and self._speaks_proxy(peer):
                arrival.await_proxy_header()
            else:
                arrival.identify(peer, self.host)
        except Exception:
            sock.close()  # Counts it out, too.
            raise

    def _speaks_proxy(self, peer: Any) -> bool:
        if not isinstance(peer, tuple):
            return False
        address = ip_address(peer[0].partition("%")[0])
        return any(address in network for network in self.proxy_networks)

    def _turn_away(self, sock: ClientSocket) -> None:
        """
        Say why, where the client can read it, and close.
        """
        if self.terminator is None:
            try:
                # A reset for unread input would overtake the answer.
                sock.recv(65536)
            except OSError:
                pass  # Nothing came yet.
            try:
                sock.send(_TOO_MANY)
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # The client is gone already.
        sock.close()

    def over_address_limit(self, sock: ClientSocket) -> None:
        """
        Turn away a client whose address has too many connections.
        """
        self.counters.refused["connections_per_address"] += 1
        self._turn_away(sock)


_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 47\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\n"
    b"Too many connections are open. Try again soon.\n"
)


def _unmapped(peer: Any) -> Any:
    """
    An IPv4 client of an IPv6 socket, as what it is.
    """
    if isinstance(peer, tuple) and peer[0].startswith("::ffff:"):
        return peer[0][7:], peer[1]
    return peer
