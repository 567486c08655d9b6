"""
The generations that are kept: the store, and the history that is read from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.logger import Logger

from ..problems import Problem
from ..settings import Generation, IStore
from ._history import History, Row, Waiting
from ._summary import certificate_changes, shown_patch, summarise

__all__ = ["Archive"]


class Archive:
    """
    What was and what waits to be confirmed, and what becomes of it.
    """

    _log = Logger()

    def __init__(self, store: IStore, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._store = store
        self._in_thread = in_thread
        self._history = History()

    async def load(self) -> None:
        """
        Read the rows of all kept generations; a damaged old one is no reason not to start.
        """
        for number in await self._in_thread(self._store.numbers):
            try:
                generation = await self._in_thread(self._store.outline, number)
                confirmed = await self._in_thread(self._store.confirmed, number)
            except Problem as reason:
                self._log.warn("{reason} It is not in the history.", reason=reason.detail)
                continue
            self._history.add(Row.of(generation, confirmed=confirmed))

    def add(self, generation: Generation) -> None:
        """
        A generation was stored.
        """
        self._history.add(Row.of(generation, confirmed=False))

    async def confirm(self, number: int) -> None:
        """
        Keep a generation that waits, and all that it was made from.

        @raise Problem: C{storage-failed}: it waits on.
        """
        await self._in_thread(self._store.confirm, number)
        self._history.confirm(number)

    def waiting(self, number: int) -> Waiting | None:
        """
        As L{History.waiting}.
        """
        return self._history.waiting(number)

    def rows(self, current: int) -> list[dict[str, Any]]:
        """
        As L{History.rows}.
        """
        return self._history.rows(current)

    def diff(self, number: int, other: int) -> dict[str, Any]:
        """
        How generation C{other} differs from C{number}: a JSON Patch, sentences, and certificates by fingerprint.

        @raise Problem: C{not-found}.
        """
        old, new = self._store.read(number), self._store.read(other)
        return {
            "patch": shown_patch(old.document, new.document),
            "summary": list(summarise(old.document, new.document, old.certificates, new.certificates)),
            "certificates": certificate_changes(old.certificates, new.certificates),
        }

    async def prune(self, current: int, keep: int, keep_for: float, now: float) -> None:
        """
        Forget old generations, never one that could still be gone back to because what followed waits; a failure is told
        and tried again after the next change.

        @param keep: how many are kept, and C{keep_for}: how long, seconds.
        @param now: Unix time.
        """
        waiting = self._history.waiting(current)
        spare = frozenset() if waiting is None else frozenset({waiting.base, *waiting.numbers})
        try:
            gone = await self._in_thread(self._store.prune, keep, keep_for, now, spare)
        except Problem as reason:
            self._log.warn("{reason}", reason=reason.detail)
            return
        for number in gone:
            self._history.forget(number)
