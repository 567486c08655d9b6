"""
C{/api/v1/events}: what happens, as server-sent events.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ...problems import Problem
from .._events import Events
from .._operations import Answer, Call, Operations
from .._tokens import Permission

operations = Operations()


class _Following:
    """
    The events from one number on, for one client.
    """

    def __init__(self, events: Events, after: int) -> None:
        self._events = events
        self._after = after

    def pull(self) -> bytes:
        found = self._events.since(self._after)
        if found:
            self._after = found[-1].number
        return b"".join(event.as_bytes() for event in found)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self._events.listen(listener)


@operations.operation(
    "GET",
    "/api/v1/events",
    permission=Permission.VIEW_SETTINGS,
    summary="Follow what happens, as server-sent events; Last-Event-ID takes up where a connection broke.",
    answers={200: None},
    media=("text/event-stream",),
)
async def follow_events(call: Call) -> Answer:
    """
    Events from now on, or from C{Last-Event-ID} on.
    """
    events = call.control.events
    text = call.field("last-event-id").strip()
    if text and not re.fullmatch(r"[0-9]{1,15}", text):
        raise Problem("parameter-invalid", "Last-Event-ID is not the number of an event.")
    return Answer(content_type="text/event-stream", source=_Following(events, int(text) if text else events.last))
