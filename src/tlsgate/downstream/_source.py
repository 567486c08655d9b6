"""
Where channels come from: one source for each binding, shared by its connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..http1 import ProtocolViolation, RequestHead
from ._answers import answer
from ._channel import Channel

if TYPE_CHECKING:
    from ._plane import Plane

__all__ = ["ChannelSource", "PlainOnTLS"]


class ChannelSource:
    """
    Makes the protocol of each connection of one binding.

    @ivar name: the binding's.
    @ivar secure: does it terminate TLS?
    @ivar port: as clients see it; changed by assignment.
    @ivar strict: refuse a host of another site than the server name's.
    """

    __slots__ = ("_plane", "name", "port", "secure", "strict")

    def __init__(self, plane: Plane, name: str, *, secure: bool, port: int, strict: bool = False) -> None:
        self._plane = plane
        self.name = name
        self.secure = secure
        self.port = port
        self.strict = strict

    def channel(self, peer: Any) -> Channel:
        """
        The protocol of a client's connection.
        """
        return Channel(self._plane, self, peer)

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
