"""
Server-sent events (WHATWG HTML section 9.2): bytes in, events out; and the protocol that receives them.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from ._wire import Unreachable

__all__ = ["Event", "EventReader", "EventStream"]

#: Seconds of silence after which a stream is dead: the gate says something every fifteen.
SILENCE: Final = 60.0

#: Events that wait to be taken before the gate is made to wait.
WAITING: Final = 100

#: Characters of one event; more is not the admin API.
MAX_EVENT: Final = 16 * 1024 * 1024


@attrs.frozen
class Event:
    """
    Something that happened.

    @ivar number: counts up from 1 as long as the gate runs; where to go on after a break.
    @ivar kind: C{generation}, C{certificate}, C{order}, C{operation}, C{upstream}, C{traffic}, C{plain_http} or
        C{missed}.
    """

    number: int
    kind: str
    document: dict[str, Any] = attrs.field(repr=False)


class EventReader:
    """
    Makes events of the bytes of a stream, however they are cut.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0
        self._fields: dict[str, list[str]] = {}
        self._size = 0

    def receive(self, received: bytes) -> Iterator[Event]:
        """
        The events that are complete with these bytes.

        @raise ValueError: this is no stream of the admin API's events.
        """
        self._rest += received
        if len(self._rest) > MAX_EVENT:
            raise ValueError("a line is too long")
        # Only whole lines are decoded, so that no character is cut; a line never ends with a CR alone here.
        *whole, self._rest = self._rest.split(b"\n")
        for line in whole:
            if (event := self._line(line.removesuffix(b"\r").decode("utf-8"))) is not None:
                yield event

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        self._size += len(line)
        if self._size > MAX_EVENT:
            raise ValueError("an event is too long")
        name, _, value = line.partition(":")
        self._fields.setdefault(name, []).append(value.removeprefix(" "))
        return None

    def _dispatch(self) -> Event | None:
        fields, self._fields, self._size = self._fields, {}, 0
        number = fields.get("id", [""])[-1]
        if number.isascii() and number.isdecimal():
            self._number = int(number)
        if "data" not in fields:
            return None
        document = json.loads("\n".join(fields["data"]))
        if not isinstance(document, dict):
            raise ValueError("the content of an event is no object")
        return Event(self._number, fields.get("event", ["message"])[-1], document)


class EventStream(Protocol):
    """
    Receives the content of an answer; the events in it can be waited for.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: for the deadline of silence.
        """
        self._reactor = reactor
        self._reader = EventReader()
        self._events: deque[Event] = deque()
        self._waiting: Deferred[None] | None = None
        self._end: Exception | None = None
        self._ended = False
        self._deadline: IDelayedCall | None = None

    async def next(self) -> Event | None:
        """
        The next event; C{None} when the gate has ended the stream.

        @raise Unreachable: the connection broke, or nothing came for a minute.
        """
        while not self._events and not self._ended:
            self._waiting = Deferred()
            await self._waiting
        if self._events:
            if len(self._events) == WAITING and not self._ended:
                self._transport().resumeProducing()
            return self._events.popleft()
        if self._end is not None:
            raise self._end
        return None

    def close(self) -> None:
        """
        Hear no more.
        """
        if not self._ended:
            self._finish(None)
            self._transport().loseConnection()

    def connectionMade(self) -> None:
        """
        The answer's head was right.
        """
        self._deadline = self._reactor.callLater(SILENCE, self._silent)

    def dataReceived(self, data: bytes) -> None:
        """
        More came.
        """
        if self._ended:
            return
        if self._deadline is not None:
            self._deadline.reset(SILENCE)
        before = len(self._events)
        try:
            self._events.extend(self._reader.receive(data))
        except ValueError:
            self._finish(Unreachable("What came is no stream of events."))
            self._transport().loseConnection()
        if before < WAITING <= len(self._events):
            self._transport().pauseProducing()
        self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The stream ended, in order or not.
        """
        # Over HTTP/1.0 the end of the connection is all there is to tell an end.
        in_order = isinstance(reason.value, (ResponseDone, PotentialDataLoss))
        self._finish(None if in_order else Unreachable(f"The stream of events broke: {reason.getErrorMessage()}"))

    def _silent(self) -> None:
        self._finish(Unreachable(f"No events and no signs of life for {SILENCE:.0f} seconds."))
        self._transport().loseConnection()

    def _finish(self, end: Exception | None) -> None:
        if self._ended:
            return
        self._ended, self._end = True, end
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def _transport(self) -> Any:
        assert self.transport is not None
        return self.transport
