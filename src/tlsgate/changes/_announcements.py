"""
Who hears of generations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ..settings import Generation

__all__ = ["Announcements", "Listener"]

Listener = Callable[[dict[str, Any]], None]


class Announcements:
    """
    Tells listeners, each in a turn of its own so that none can harm the change.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """
        Hear of generations from now on.

        @return: call it to hear no more.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def tell(self, what: str, generation: Generation, *, confirm_by: float | None, **more: Any) -> None:
        """
        Something became of a generation.

        @param what: C{applied}, C{undone} or C{confirmed}.
        @param confirm_by: Unix time by which what is served must be confirmed now.
        """
        event: Mapping[str, Any] = {
            "what": what,
            "number": generation.number,
            "author": generation.author,
            "reason": generation.reason,
            "summary": list(generation.summary),
            "confirm_by": confirm_by,
            "undoes": generation.undoes or None,
            **more,
        }
        for listener in self._listeners:
            self._clock.callLater(0, listener, dict(event))
