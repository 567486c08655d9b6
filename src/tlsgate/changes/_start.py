"""
What a gate serves when it starts: the stored generation, or the one that has become due while nobody ran.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from ..settings import Generation, IStore
from ._archive import Archive
from ._plan import Wanted
from ._planner import Planner
from ._requests import ChangeRequest
from ._summary import summarise

__all__ = ["Found", "Start"]


@attrs.frozen(kw_only=True)
class Found:
    """
    What is to be served.

    @ivar stored: number of the generation that is current in the store; 0 for none.
    @ivar generation: the same, or a new one that is to follow it.
    @ivar undoing: the generation as it undoes what was not confirmed in time; C{None} if nothing had to be undone.
    """

    stored: int
    generation: Generation
    undoing: Generation | None


@attrs.frozen(kw_only=True)
class Start:
    """
    Finds out what to serve.

    @ivar first: makes generation 1 of an empty store from the time.
    """

    store: IStore
    archive: Archive
    in_thread: Callable[..., Awaitable[Any]]
    wall: Callable[[], float]
    first: Callable[[float], Generation]
    planner: Planner

    async def find(self) -> Found:
        """
        Read the store.  Nothing is changed in it.

        @raise Problem: it cannot be read.
        """
        stored: Generation | None = await self.in_thread(self.store.current)
        await self.archive.load()
        if stored is None:
            return Found(stored=0, generation=await self._with_present_files(self.first(self.wall())), undoing=None)
        undoing = await self._overdue(stored)
        if undoing is not None:
            generation = await self._with_present_files(undoing)
        else:
            generation = await self._following_files(stored)
        return Found(stored=stored.number, generation=generation, undoing=undoing)

    async def _with_present_files(self, made: Generation) -> Generation:
        """
        A generation that is not stored yet, with what files hold now.
        """
        return attrs.evolve(made, certificates=await self.planner.complete_now(made))

    async def _following_files(self, stored: Generation) -> Generation:
        """
        The stored generation, or one that follows it because files hold something else now.
        """
        certificates = await self.planner.complete_now(stored)
        if certificates == dict(stored.certificates):
            return stored
        return attrs.evolve(
            stored,
            number=await self.in_thread(self.store.next_number),
            parent=stored.number,
            time=self.wall(),
            author="files",
            reason="files changed while nobody watched",
            summary=summarise(stored.document, stored.document, stored.certificates, certificates),
            certificates=certificates,
            confirm_by=None,
            undoes=0,
        )

    async def _overdue(self, current: Generation) -> Generation | None:
        """
        The generation that undoes what was not confirmed in time while nobody ran.
        """
        waiting = self.archive.waiting(current.number)
        if waiting is None or waiting.confirm_by > self.wall():
            return None
        base: Generation = await self.in_thread(self.store.read, waiting.base)
        number: int = await self.in_thread(self.store.next_number)
        request = ChangeRequest.undoing(current.number)
        # Compiled as a change from what waits, so that what browsers were told is not forgotten.
        old = self.planner.plan(Wanted.of(current), old=None, before={}, number=current.number).snapshot
        wanted = attrs.evolve(Wanted.of(base), memory=current.memory)
        made = self.planner.plan(wanted, old=old, before=current.certificates, number=number)
        return attrs.evolve(
            base,
            number=number,
            parent=current.number,
            time=self.wall(),
            author=request.author,
            reason=request.reason,
            summary=summarise(current.document, base.document, current.certificates, base.certificates),
            memory=made.wanted.memory,
            confirm_by=None,
            undoes=current.number,
            findings=tuple(finding.as_json() for finding in made.findings),
        )
