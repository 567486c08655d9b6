"""
C{/api/v1/events}: what happens, as server-sent events.
"""

from __future__ import annotations

import re

from ...problems import Problem
from .._events import Following
from .._operations import Answer, Call, Operations, Parameter
from .._tokens import Permission

operations = Operations()


@operations.operation(
    "GET",
    "/api/v1/events",
    permission=Permission.VIEW_SETTINGS,
    summary="Follow what happens, as server-sent events; Last-Event-ID takes up where a connection broke.",
    parameters=(
        Parameter(
            name="follow",
            description="False: only what is kept after Last-Event-ID, then the end.",
            schema={"type": "boolean", "default": True},
        ),
    ),
    answers={200: None},
    media=("text/event-stream",),
)
async def follow_events(call: Call) -> Answer:
    """
    Events from now on, or from C{Last-Event-ID} on, as long as the client listens.
    """
    events = call.control.events
    text = call.field("last-event-id").strip()
    if text and not re.fullmatch(r"[0-9]{1,15}", text):
        raise Problem("parameter-invalid", "Last-Event-ID is not the number of an event.")
    following = Following(events, int(text) if text else events.last)
    if not call.query.get("follow", True):
        return Answer(content_type="text/event-stream", content=following.pull())
    return Answer(content_type="text/event-stream", source=following)
