"""
What happens in the gate, as numbered events that a client can take up again where its connection broke.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

__all__ = ["Event", "Events", "Following"]

#: Events that are kept for a client that comes back.
KEPT: Final = 1000


@attrs.frozen
class Event:
    """
    @ivar number: counts up from 1 as long as the gate runs.
    @ivar kind: C{generation}, C{certificate}, C{order}, C{operation}, C{upstream}, C{traffic}, C{plain_http} or
        C{missed}.
    """

    number: int
    kind: str
    content: Mapping[str, Any]

    def as_bytes(self) -> bytes:
        """
        As C{text/event-stream} (WHATWG HTML section 9.2) writes it.
        """
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (
            self.number,
            self.kind.encode("ascii"),
            json.dumps(self.content, ensure_ascii=True).encode("ascii"),
        )


class Events:
    """
    A bounded ring of events and whoever listens.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._ring: deque[Event] = deque(maxlen=kept)
        self._next = 1
        self._listeners: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"<Events: {len(self._ring)} kept, {len(self._listeners)} listeners>"

    @property
    def last(self) -> int:
        """
        The number of the latest event; 0 before the first.
        """
        return self._next - 1

    @property
    def is_heard(self) -> bool:
        """
        Is anybody listening?
        """
        return bool(self._listeners)

    def publish(self, kind: str, content: Mapping[str, Any]) -> Event:
        """
        Something happened.

        @param content: JSON values.
        """
        event = Event(self._next, kind, content)
        self._next += 1
        self._ring.append(event)
        for listener in list(self._listeners):
            listener()
        return event

    def since(self, number: int) -> list[Event]:
        """
        What happened after an event, oldest first; preceded by a C{missed} event if some of it is no longer kept.  A
        number from before a restart of the gate, which is larger than any, gives all that is kept.
        """
        if number > self.last:
            number = 0
        events = [event for event in self._ring if event.number > number]
        if events and events[0].number > number + 1 and number:
            events.insert(0, Event(events[0].number - 1, "missed", {"after": number}))
        return events

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """
        Call C{listener} whenever there are new events.

        @return: ends it.
        """
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop


def _every(event: Event) -> bool:
    return True


def _none(event: Event) -> bool:
    return False


class Following:
    """
    The events from one on, for one client: the source of an answer.
    """

    def __init__(
        self,
        events: Events,
        after: int,
        *,
        first: Event | None = None,
        wanted: Callable[[Event], bool] = _every,
        final: Callable[[Event], bool] = _none,
    ) -> None:
        """
        @param after: the number of the event after which it begins.
        @param first: told before all others.
        @param wanted: is an event told at all?
        @param final: does an event end it?
        """
        self._events = events
        self._after = after
        self._waiting = [] if first is None else [first]
        self._wanted = wanted
        self._final = final
        self._ended = False

    def pull(self) -> bytes:
        """
        What has happened since the last time, as C{text/event-stream}.
        """
        if self._ended:
            return b""
        found = self._events.since(self._after)
        if found:
            self._after = found[-1].number
        told = [*self._waiting, *filter(self._wanted, found)]
        self._waiting = []
        for place, event in enumerate(told, 1):
            if self._final(event):
                self._ended = True
                told = told[:place]
                break
        return b"".join(event.as_bytes() for event in told)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """
        As L{Events.listen}.
        """
        return self._events.listen(listener)

    def ended(self) -> bool:
        """
        Has the final event been told?
        """
        return self._ended
