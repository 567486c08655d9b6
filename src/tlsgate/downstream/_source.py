"""
Where channels come from: one source for each binding, shared by its connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..http1 import Fields, ProtocolViolation, RequestHead
from ._answers import answer
from ._channel import Channel

if TYPE_CHECKING:
    from ._plane import Plane
    from ._routing import Routes

__all__ = ["ChannelSource", "PlainOnTLS"]

#: The clients of a binding whose last field sections are remembered, and the longest one that is.  With what each comes
#: to that is up to two megabytes.
REMEMBERED_CLIENTS = 256
REMEMBERED_BYTES = 2048


class ChannelSource:
    """
    Makes the protocol of each connection of one binding.

    @ivar name: the binding's.
    @ivar secure: does it terminate TLS?
    @ivar port: as clients see it; changed by assignment.
    @ivar strict: refuse a host of another site than the server name's.
    """

    __slots__ = ("_plane", "_remembered", "_routes", "name", "port", "secure", "strict")

    def __init__(self, plane: Plane, name: str, *, secure: bool, port: int, strict: bool = False) -> None:
        self._plane = plane
        self.name = name
        self.secure = secure
        self.port = port
        self.strict = strict
        self._remembered: dict[str, Fields] = {}
        self._routes: Routes = plane.routes

    def channel(self, peer: Any) -> Channel:
        """
        The protocol of a client's connection.
        """
        channel = Channel(self._plane, self, peer)
        fields = self._remembered.get(channel.peer_ip)
        if fields is not None and self._routes is self._plane.routes and not self.strict:
            channel.reader.expect(fields)
        return channel

    def remember(self, peer_ip: str, fields: Fields) -> None:
        """
        A client's fields and what they mean, for its next connection: most send the same again.

        @param fields: with a L{RequestMeaning<_meaning.RequestMeaning>} of the present routes.
        """
        # Without a Host, or with strict, what they mean depends on the connection's own address or server name.
        if len(fields.raw) > REMEMBERED_BYTES or self.strict or not fields.hosts:
            return
        remembered, routes = self._remembered, self._plane.routes
        if routes is not self._routes:
            # Each keeps the routes alive that it was worked out with.
            remembered.clear()
            self._routes = routes
        elif len(remembered) >= REMEMBERED_CLIENTS and peer_ip not in remembered:
            del remembered[next(iter(remembered))]
        remembered[peer_ip] = fields

    def plain_on_tls(self, peer: Any) -> Channel:
        """
        The protocol of a client that speaks plain HTTP to this https binding.
        """
        return PlainOnTLS(self._plane, ChannelSource(self._plane, self.name, secure=False, port=self.port), peer)


class PlainOnTLS(Channel):
    """
    Answers the first request with 308 to the https URL of the same port, and ends.
    """

    __slots__ = ()

    def dataReceived(self, data: bytes) -> None:
        """
        Bytes of a client that has not noticed that it should speak TLS.
        """
        if self._closing:
            return
        super().dataReceived(data)

    def _advance(self) -> None:
        plane = self.plane
        try:
            head = self.reader.next_event()
        except ProtocolViolation:
            self.transport.loseConnection()
            return
        if head is None:
            return
        assert isinstance(head, RequestHead)
        host = head.fields.host
        if not host or not head.target.startswith(b"/"):
            self.transport.loseConnection()
            return
        port = b"" if self.binding.port == 443 else b":%d" % self.binding.port
        location = b"https://%b%b%b" % (host, port, head.target)
        fields = b"%bLocation: %b\r\nCache-Control: no-store\r\nContent-Type: text/plain\r\n" % (
            plane.date_line,
            location,
        )
        plane.counters.refused["plain-on-tls"] += 1
        self.transport.write(
            answer(
                308,
                fields,
                b"This port speaks HTTPS: %b\n" % location,
                request_id=plane.next_request_id(),
                close=True,
                head_only=head.method == b"HEAD",
            )
        )
        self.close()
