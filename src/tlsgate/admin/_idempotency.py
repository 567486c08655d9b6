"""
A change that is sent twice with the same C{Idempotency-Key} is made once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
from twisted.internet.defer import Deferred

from ..problems import Problem
from ._operations import Answer

__all__ = ["Remembered"]

#: Answers kept; the oldest is forgotten first.
KEPT: Final = 256


@attrs.define
class _Memory:
    fingerprint: bytes
    answer: Answer | None = None
    waiting: list[Deferred[None]] = attrs.field(factory=list)


class Remembered:
    """
    The answers of the latest changes that named a key.  Refusals are not kept: trying again is then the right thing.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._by_key: OrderedDict[tuple[str, str], _Memory] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Remembered: {len(self._by_key)} answers>"

    async def once(self, key: tuple[str, str], fingerprint: bytes, run: Callable[[], Awaitable[Answer]]) -> Answer:
        """
        Run, or give the answer of the run before.  A second one that comes during the first waits for it.

        @param key: who sent it, and the key they chose.
        @param fingerprint: of the whole request.

        @raise Problem: C{parameter-invalid}: the key was used for another request; and what C{run} raises.
        """
        while (memory := self._by_key.get(key)) is not None:
            if memory.fingerprint != fingerprint:
                raise Problem("parameter-invalid", "This Idempotency-Key was used for another request.")
            if memory.answer is not None:
                return memory.answer
            done: Deferred[None] = Deferred()
            memory.waiting.append(done)
            await done
        memory = self._by_key[key] = _Memory(fingerprint)
        try:
            memory.answer = await run()
            return memory.answer
        finally:
            if memory.answer is None:
                del self._by_key[key]
            waiting, memory.waiting = memory.waiting, []
            for done in waiting:
                done.callback(None)
            self._forget()

    def _forget(self) -> None:
        for key in list(self._by_key):
            if len(self._by_key) <= self._kept:
                return
            if self._by_key[key].answer is not None:
                del self._by_key[key]
