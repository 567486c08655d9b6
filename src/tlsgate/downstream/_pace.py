"""
The pace of a response that does not fit into one read: a client that reads slowly pauses the upstream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

if TYPE_CHECKING:
    from ._exchange import Exchange

__all__ = ["Pace"]


@implementer(IPushProducer)
class Pace:
    """
    The producer of a client's transport, in the upstream connection's place.

    While the client holds up the response, its own deadline runs and the upstream's does not: only who is awaited can be
    late.
    """

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def pauseProducing(self) -> None:
        """
        The client does not keep up.
        """
        exchange = self._exchange
        connection = exchange.connection
        channel = exchange.channel
        exchange.writing_stalled = True
        channel.last_unsent = -1
        channel.plane.deadlines.set(channel, channel.plane.timeouts.body)
        if connection is not None:
            connection.deadline = 0
            connection.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        The client has caught up.
        """
        exchange = self._exchange
        connection = exchange.connection
        channel = exchange.channel
        exchange.writing_stalled = False
        if exchange.request_complete:
            channel.deadline = 0
        if connection is not None:
            channel.plane.deadlines.set(connection, channel.plane.timeouts.body)
            connection.transport.resumeProducing()

    def stopProducing(self) -> None:
        """
        The client is gone; C{connectionLost} follows.
        """
