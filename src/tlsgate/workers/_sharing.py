"""
What one worker learns and all of them must know, handed on by the supervisor.

Loops of redirects, which no worker can see by itself; clients that are connected, where there are limits to count them
against; servers that were ejected or restored.  One worker, appointed here, makes the active checks of servers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from twisted.logger import Logger

from ..policy import LoopDetector, Sighting
from ..sites import Snapshot
from ._child import Child

__all__ = ["Sharing"]

_log = Logger()


class _Connected:
    """
    The clients of one worker.

    @ivar owed: addresses of which the worker does not know yet what others have.
    """

    def __init__(self) -> None:
        self.total = 0
        self.by_address: dict[str, int] = {}
        self.owed: set[str] = set()


class Sharing:
    """
    Knows what all workers must know.
    """

    def __init__(self, children: Callable[[], Iterable[Child]], wall: Callable[[], float] = time.time) -> None:
        """
        @param children: the processes there are.
        @param wall: Unix time.
        """
        self._children = children
        self._wall = wall
        self._loops = LoopDetector()
        self._connected: dict[Child, _Connected] = {}
        self._down: set[tuple[str, str]] = set()
        self._checking: Child | None = None
        #: What a process may tell.
        self.verbs: Final[Mapping[str, Callable[[Child, Any], None]]] = {
            "redirected": self._redirected,
            "connected": self._hear_connected,
            "server": self._hear_server,
        }

    def welcome(self, child: Child) -> None:
        """
        Tell a process that serves from now on what the others know.
        """
        child.link.note("suspend", self._loops.rows(self._wall()))
        for upstream, url in self._down:
            child.link.note("server", (upstream, url, False))
        if child not in self._connected:
            connected = self._connected.setdefault(child, _Connected())
            connected.owed.update(*(other.by_address for other in self._connected.values()))
            self._tell_connected(child)

    def forget(self, child: Child) -> None:
        """
        A process has ended, and its connections with it.
        """
        gone = self._connected.pop(child, None)
        if gone is not None:
            self._owe(gone.by_address)
        if self._checking is child:
            self._checking = None

    def appoint(self, serving: Iterable[Child]) -> None:
        """
        Let one of those that serve make the active checks; who makes them goes on.
        """
        if self._checking is None:
            self._checking = next(iter(serving), None)
            if self._checking is not None:
                self._checking.link.note("check", True)

    def keep_only(self, snapshot: Snapshot) -> None:
        """
        Remember nothing of servers that are not served any more.
        """
        self._down &= {(upstream.name, each.url) for upstream in snapshot.upstreams for each in upstream.servers}

    # What they tell.

    def _redirected(self, _: Child, sighting: Sighting) -> None:
        """
        A worker redirects what a proxy handed on.
        """
        site, peer, client, target, now, claimed, trusted = sighting
        if self._loops.is_suspended(site, peer, now):
            # The worker will hear of it before it hears this.
            return
        if self._loops.note(site, peer, client, target, now, claimed=claimed, trusted=trusted):
            _log.warn("Redirects of site {site} loop at {peer} and are suspended for it", site=site, peer=peer)
            rows = self._loops.rows(now)
            for child in self._children():
                child.link.note("suspend", rows)

    def _hear_connected(self, child: Child, news: tuple[int, Mapping[str, int]]) -> None:
        connected = self._connected.setdefault(child, _Connected())
        connected.total, changed = news
        for key, count in changed.items():
            if count:
                connected.by_address[key] = count
            else:
                connected.by_address.pop(key, None)
        self._owe(changed, but=child)

    def _owe(self, changed: Iterable[str], but: Child | None = None) -> None:
        for child, connected in self._connected.items():
            if child is not but:
                connected.owed.update(changed)
                self._tell_connected(child)

    def _tell_connected(self, child: Child) -> None:
        if child.link.full:
            return  # with the next news
        others = [connected for other, connected in self._connected.items() if other is not child]
        owed = self._connected[child].owed
        by_address = {key: sum(other.by_address.get(key, 0) for other in others) for key in owed}
        owed.clear()
        child.link.note("connected", (sum(other.total for other in others), by_address))

    def _hear_server(self, child: Child, said: tuple[str, str, bool]) -> None:
        upstream, url, up = said
        if up:
            self._down.discard((upstream, url))
        else:
            self._down.add((upstream, url))
        for other in self._children():
            if other is not child:
                other.link.note("server", said)
