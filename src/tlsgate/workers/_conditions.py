"""
Waiting until something is so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError

__all__ = ["Conditions"]


class Conditions:
    """
    Who waits for what; somebody has to say when it is worth a look.
    """

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    async def until(self, reached: Callable[[], bool], limit: float) -> None:
        """
        Wait until something is so, or for C{limit} seconds.
        """
        if reached():
            return
        waiting: Deferred[None] = Deferred()
        entry = (reached, waiting)
        self._waiting.append(entry)
        waiting.addTimeout(limit, self._clock)
        try:
            await waiting
        except TimeoutError:
            self._waiting.remove(entry)

    def check(self) -> None:
        """
        Something has changed.
        """
        for entry in tuple(self._waiting):
            reached, waiting = entry
            if reached() and entry in self._waiting:
                self._waiting.remove(entry)
                waiting.callback(None)
