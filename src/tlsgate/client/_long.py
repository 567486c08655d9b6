"""
Long work, followed to its end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from ._events import Event
from ._problem import Refused
from ._wire import Unreachable

__all__ = ["Progress", "outcome_of"]

#: Is called with how much is done, of how much, and the present step.
Progress = Callable[[int, int, str], None]


async def outcome_of(happening: AsyncGenerator[Event, None], progress: Progress) -> dict[str, Any]:
    """
    Follow the events of one operation.

    @return: the answer that a request that waited would have got.

    @raise Problem: the gate refuses in the end.
    @raise Unreachable: the connection broke; the work goes on without it.
    """
    async with aclosing(happening) as events:
        async for event in events:
            found = event.document
            progress(found["done"], found["total"], found["message"])
            if found["state"] == "succeeded":
                result: dict[str, Any] = found["result"]
                return result
            if found["state"] == "failed":
                raise Refused(found["problem"])
    raise Unreachable("The gate stopped telling of the operation before its end; tlsgate status shows what is served.")
