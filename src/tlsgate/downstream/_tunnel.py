"""
After C{101 Switching Protocols} bytes pass both ways unread, with backpressure, until both sides are done.

A tunnel belongs to no generation: it outlives every change of certificates and settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import GateError

if TYPE_CHECKING:
    from ..http1 import ResponseHead
    from ..upstream import UpstreamConnection
    from ._channel import Channel
    from ._exchange import Exchange

__all__ = ["Tunnel"]


class Tunnel:
    """
    Joins a channel and an upstream connection.
    """

    __slots__ = ("_channel", "_connection", "_downstream_open", "_exchange", "_in", "_out", "_over", "_upstream_open")

    def __init__(self, exchange: Exchange, channel: Channel, connection: UpstreamConnection) -> None:
        self._exchange = exchange
        self._channel = channel
        self._connection = connection
        self._in = 0
        self._out = 0
        self._over = False
        self._downstream_open = True
        self._upstream_open = True

    def begin(self) -> None:
        """
        Take both sides over.
        """
        connection = self._connection
        connection.borrower = self
        connection.tunnel = True
        connection.deadline = 0
        downstream: Any = self._channel.transport
        upstream: Any = connection.transport
        downstream.registerProducer(upstream, True)
        upstream.registerProducer(downstream, True)
        ahead = self._channel.begin_tunnel(self)
        self._channel.resumeProducing()
        if ahead:
            self.from_downstream(ahead)
        self._active()

    def _active(self) -> None:
        # Tunnels are watched on the channel's side only: traffic either way keeps both alive.
        plane = self._channel.plane
        plane.deadlines.set(self._channel, plane.timeouts.tunnel)

    def from_downstream(self, data: bytes) -> None:
        """
        The client sends.
        """
        self._in += len(data)
        self._connection.transport.write(data)
        self._active()

    def tunnel_data(self, data: bytes) -> None:
        """
        The upstream sends.
        """
        self._out += len(data)
        self._channel.transport.write(data)
        self._active()

    def downstream_half_closed(self) -> None:
        """
        The client will send no more.
        """
        self._downstream_open = False
        if self._upstream_open:
            _end_writing(self._connection.transport)
        else:
            self._end(orderly=True)

    def tunnel_half_closed(self) -> None:
        """
        The upstream will send no more.
        """
        self._upstream_open = False
        if self._downstream_open:
            _end_writing(self._channel.transport)
        else:
            self._end(orderly=True)

    def downstream_lost(self) -> None:
        """
        The client's connection is gone.
        """
        self._end()

    def upstream_failed(self, error: GateError) -> None:
        """
        The upstream's connection is gone; what it sent is still delivered.
        """
        self._end()

    def idle(self) -> None:
        """
        Nothing passed for too long.
        """
        self._channel.plane.counters.refused["tunnel-idle"] += 1
        self._end()

    def _end(self, orderly: bool = False) -> None:
        if self._over:
            return
        self._over = True
        channel = self._channel
        channel.tunnel = None
        # A close waits for the producer, and neither side has anything to say any more.
        self._connection.transport.unregisterProducer()
        channel.transport.unregisterProducer()
        self._exchange.tunnel_ended(self._in, self._out, orderly=orderly)
        channel.close()

    def waits_for_client(self) -> bool:
        """
        A tunnel is idle or not; nobody is to blame.
        """
        return False

    def crashed(self) -> None:
        """
        A mistake of ours: neither side is to wait for the other.
        """
        self._end()

    # Never called for a tunnel: its connection is no longer read as HTTP.

    def connection_lent(self, connection: UpstreamConnection) -> None:
        """
        Not for tunnels.
        """

    def connection_failed(self, error: GateError) -> None:
        """
        Not for tunnels.
        """

    def response_head(self, head: ResponseHead) -> None:
        """
        Not for tunnels.
        """

    def response_content(self, content: bytes) -> None:
        """
        Not for tunnels.
        """

    def response_ended(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """
        Not for tunnels.
        """

    def response_paused(self) -> None:
        """
        Not for tunnels.
        """


def _end_writing(transport: Any) -> None:
    # The half-close waits for the producer; its side has ended, and produces no more.
    transport.unregisterProducer()
    transport.loseWriteConnection()
