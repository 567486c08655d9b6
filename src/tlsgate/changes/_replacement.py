"""
Putting a generation in the place of another: prepare, store, swap, prove, keep; what fails after the swap is swapped back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from twisted.logger import Logger

from ..interfaces import ApplyFailed, IDataPlane, IPreparedSnapshot
from ..problems import Problem
from ..settings import Generation, IStaged, IStore
from ..sites import Snapshot
from ._paths import touched_paths
from ._probe import IProbe

__all__ = ["Replacement"]


class Replacement:
    """
    The data plane, the store and the probe, which a change needs together.
    """

    _log = Logger()

    def __init__(
        self, store: IStore, data_plane: IDataPlane, probe: IProbe | None, in_thread: Callable[..., Awaitable[Any]]
    ) -> None:
        self._store = store
        self._data_plane = data_plane
        self._probe = probe
        self._in_thread = in_thread

    async def exchange(self, generation: Generation, old: Snapshot, new: Snapshot, force: Collection[str]) -> None:
        """
        Serve and keep a generation in place of what serves, or leave everything as it is.

        @param force: names of sites, bindings and certificates that are not probed.

        @raise Problem: what served before serves, and nothing was stored.
        """
        paths = [] if generation.undoes else touched_paths(old, new, generation.time, force)
        already = await self._probe.failing(paths) if self._probe is not None else {}
        prepared = await self.prepare(new)
        try:
            staged: IStaged = await self._in_thread(self._store.stage, generation.parent, generation)
        except Problem:
            await prepared.abort()
            raise
        try:
            await self.swap(prepared)
            if self._probe is not None:
                await self._probe.prove(paths, already)
        except Problem:
            await self._in_thread(staged.give_up)
            await self._swap_back(old)
            raise
        try:
            await self._in_thread(staged.finish)
        except Problem:
            await self._swap_back(old)
            raise

    async def prepare(self, snapshot: Snapshot) -> IPreparedSnapshot:
        """
        Build beside what serves.

        @raise Problem: it cannot be built; nothing changed.
        """
        try:
            prepared: IPreparedSnapshot = await self._data_plane.prepare(snapshot)
        except ApplyFailed as reason:
            raise _problem(reason) from reason
        return prepared

    async def swap(self, prepared: IPreparedSnapshot) -> None:
        """
        Serve what was built.

        @raise Problem: not every worker does; nothing was swapped back.
        """
        try:
            await prepared.commit()
        except ApplyFailed as reason:
            raise _problem(reason) from reason

    async def serve(self, old: Snapshot, new: Snapshot) -> None:
        """
        Serve without storing: the same generation, compiled anew.

        @raise Problem: what served before serves.
        """
        prepared = await self.prepare(new)
        try:
            await self.swap(prepared)
        except Problem:
            await self._swap_back(old)
            raise

    async def _swap_back(self, old: Snapshot) -> None:
        """
        Serve again what served before a change that failed half way.
        """
        try:
            await self.swap(await self.prepare(old))
        except Problem as reason:
            self._log.critical(
                "generation {number} could not be served again after a failed change: {reason}",
                number=old.generation,
                reason=reason.detail,
            )


def _problem(reason: ApplyFailed) -> Problem:
    return Problem(reason.code, reason.detail, subject=reason.subject)
