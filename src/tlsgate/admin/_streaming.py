"""
Answers that go on: what a source yields is sent for as long as the client listens and reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from ._operations import Source

__all__ = ["Streaming"]

#: Seconds between comments on a stream of events: keeps proxies and NAT from forgetting the connection.
HEARTBEAT: Final = 15.0


@implementer(IPushProducer)
class Streaming:
    """
    Sends what a source yields for as long as the client listens and reads.
    """

    def __init__(self, request: Any, source: Source, call_later: Callable[..., IDelayedCall]) -> None:
        """
        @param request: an C{AdminRequest} whose answer's head was sent.
        """
        self._request = request
        self._source = source
        self._call_later = call_later
        self._paused = False
        self._stop: Callable[[], None] | None = None
        self._heartbeat: IDelayedCall | None = None

    def start(self) -> None:
        """
        Begin to send.
        """
        self._request.registerProducer(self, True)
        self._request.notifyFinish().addBoth(lambda _: self.stopProducing())
        self._stop = self._source.listen(self._more)
        self._beat()

    def _beat(self) -> None:
        self._heartbeat = self._call_later(HEARTBEAT, self._beat)
        if not self._paused:
            self._request.emit(b": \n\n")
        self._more()

    def _more(self) -> None:
        # A reader that is too slow misses what the source does not keep for it; nothing piles up here.
        if self._paused:
            return
        if content := self._source.pull():
            self._request.emit(content)
        if self._source.ended():
            self.stopProducing()
            self._request.unregisterProducer()
            self._request.end()

    def pauseProducing(self) -> None:
        """
        The client reads too slowly.
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        The client reads on.
        """
        self._paused = False
        self._more()

    def stopProducing(self) -> None:
        """
        The client is gone.
        """
        self._paused = True
        if self._stop is not None:
            self._stop()
            self._stop = None
        if self._heartbeat is not None:
            if self._heartbeat.active():
                self._heartbeat.cancel()
            self._heartbeat = None
