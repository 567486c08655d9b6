"""
A snapshot on its way into all workers: every one prepares it, then every one commits it.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure
from zope.interface import implementer

from ..interfaces import ApplyFailed, IPreparedSnapshot
from ..listeners import ListeningSocket
from ._child import Child, Request
from ._link import LinkLost

__all__ = ["PreparedByAll", "together"]


class _Supervisor(Protocol):
    """
    What a prepared snapshot needs of the supervisor.
    """

    async def serve(self, prepared: PreparedByAll) -> None:
        """
        Make it the one to serve, and wait until every worker does.
        """

    def give_up(self, opened: Iterable[ListeningSocket]) -> None:
        """
        Close sockets that were opened for what is not served.
        """


@implementer(IPreparedSnapshot)
class PreparedByAll:
    """
    A snapshot that every worker has built.
    """

    def __init__(
        self,
        supervisor: _Supervisor,
        request: Request,
        children: list[Child],
        sockets: Mapping[str, ListeningSocket],
        opened: list[ListeningSocket],
    ) -> None:
        self.request = request
        self.children = children
        self.sockets = sockets
        self._supervisor = supervisor
        self._opened = opened

    async def build(self) -> None:
        """
        @raise ApplyFailed: a worker cannot; or none is left that could.
        """
        outcomes = await together(child.prepare(self.request) for child in self.children)
        for outcome in outcomes:
            if isinstance(outcome, ApplyFailed):
                raise outcome
            if isinstance(outcome, Exception) and not isinstance(outcome, LinkLost):
                raise ApplyFailed("worker-unresponsive", "workers", "A worker failed; the log has the reason.")
        # The place of one that is gone is filled again; the commit waits for that.
        self.children = [
            child for child, outcome in zip(self.children, outcomes, strict=True) if not isinstance(outcome, LinkLost)
        ]

    async def commit(self) -> None:
        """
        As L{IPreparedSnapshot.commit}.
        """
        try:
            for listening in self.sockets.values():
                listening.listen()
        except ApplyFailed:
            await self.abort()
            raise
        await self._supervisor.serve(self)

    async def abort(self) -> None:
        """
        As L{IPreparedSnapshot.abort}.
        """
        await together(child.ask("abort", self.request.token) for child in self.children)
        # Only now: a descriptor that is still on its way must not be closed.
        opened, self._opened = self._opened, []
        self._supervisor.give_up(opened)


async def together(coroutines: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """
    Run them at once.

    @return: what each returned or raised.
    """
    outcomes = await DeferredList([Deferred.fromCoroutine(each) for each in coroutines], consumeErrors=True)
    return [value.value if isinstance(value, Failure) else value for _, value in outcomes]
