"""
C{/api/v1/operations}: long work that runs, and what came of it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .._events import Event, Following
from .._operations import Answer, Call, Operations
from .._schemas import Changed, ProblemDocument, Shown
from .._tokens import Permission

__all__ = ["LongOperationShown", "operations"]

operations = Operations()

Count = Annotated[int, Field(ge=0)]


class LongOperationShown(Shown):
    """
    Long work: C{done} of C{total} so far; in the end C{result} is what a request that waited would have been answered.
    """

    id: str
    kind: Literal["import", "certificates"]
    author: str
    created: str
    updated: str
    state: Literal["running", "succeeded", "failed"]
    message: str
    done: Count
    total: Count
    result: Changed | None
    problem: ProblemDocument | None


class LongOperationList(Shown):
    """
    Long work, newest first.
    """

    operations: list[LongOperationShown]


@operations.operation(
    "GET",
    "/api/v1/operations",
    permission=Permission.VIEW_SETTINGS,
    summary="List the long operations that run, and the latest that ended.",
    answers={200: LongOperationList},
)
async def list_operations(call: Call) -> Answer:
    """
    All that are kept.
    """
    return Answer(document={"operations": [one.as_json() for one in call.control.long_operations.list()]})


@operations.operation(
    "GET",
    "/api/v1/operations/{id}",
    permission=Permission.VIEW_SETTINGS,
    summary="Show a long operation.",
    answers={200: LongOperationShown},
    codes=("not-found",),
)
async def show_operation(call: Call) -> Answer:
    """
    One of them.
    """
    return Answer(document=call.control.long_operations.find(call.parameters["id"]).as_json())


@operations.operation(
    "GET",
    "/api/v1/operations/{id}/events",
    permission=Permission.VIEW_SETTINGS,
    summary="Follow a long operation to its end, as server-sent events.",
    answers={200: None},
    media=("text/event-stream",),
    codes=("not-found",),
)
async def follow_operation(call: Call) -> Answer:
    """
    One of them as it is now, and each step until it ends.
    """
    events = call.control.events
    operation = call.control.long_operations.find(call.parameters["id"])
    following = Following(
        events,
        events.last,
        first=Event(events.last, "operation", operation.as_json()),
        wanted=lambda event: event.kind == "operation" and event.content["id"] == operation.id,
        final=lambda event: event.content["state"] != "running",
    )
    return Answer(content_type="text/event-stream", source=following)
