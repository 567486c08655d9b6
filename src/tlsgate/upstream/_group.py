"""
The servers of one upstream, and all upstreams of a snapshot.

A group lends from the pool of the server it picks.  It lives from snapshot to snapshot, and so do the pools of
servers that stay: their connections are not touched by a change elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from ..counters import Counters
from ..errors import NoUpstream
from ..http1 import ReaderLimits
from ..interfaces import ApplyFailed
from ..sites import Limits, Selection, Timeouts, Upstream
from ._health import HealthWatch
from ._key import PoolKey
from ._pool import ServerPool
from ._selection import pick_for

__all__ = ["GroupsPlan", "UpstreamGroup", "UpstreamGroups"]

#: Upstream, server, and whether it is up.
Tell = Callable[[str, str, bool], None]


def _nobody(upstream: str, url: str, up: bool) -> None:
    """
    There is no other worker to be told.
    """


class UpstreamGroup:
    """
    One upstream: picks a server for each exchange.

    @ivar settings: the upstream as it is now.
    @ivar tell: hears of each server that this process ejects or restores: upstream, url, and whether it is up.
    @ivar checks: is it this process that makes the active checks?
    @ivar pools: of its servers, in the order of the settings.
    """

    def __init__(self, hub: Any, settings: Upstream, counters: Counters) -> None:
        self.hub = hub
        self.settings = settings
        self.counters = counters
        self.tell: Tell = _nobody
        self.checks = True
        self.pools: list[ServerPool] = []
        self._usable: list[ServerPool] = []
        self._only: ServerPool | None = None
        self._pick = pick_for(settings.selection)
        self._health = HealthWatch(self)

    def __repr__(self) -> str:
        return f"<UpstreamGroup {self.settings.name} [{len(self._usable)} of {len(self.pools)} servers usable]>"

    def update(self, settings: Upstream, pools: list[ServerPool]) -> None:
        """
        Go on with the next snapshot's settings.
        """
        if settings.selection is not self.settings.selection:
            self._pick = pick_for(settings.selection)
        self.settings = settings
        self.pools = pools
        self.changed()
        self._health.update()

    def changed(self) -> None:
        """
        A server went up, down or into drain: work out again who may be picked.
        """
        self._usable = [pool for pool in self.pools if pool.up and not pool.server.drain]
        self._only = self._usable[0] if len(self._usable) == 1 else None

    def hashes(self) -> bool:
        """
        Does picking look at a key of the request?
        """
        return self.settings.selection is Selection.CONSISTENT_HASH

    def pick(self, key: bytes, beside: ServerPool | None = None) -> ServerPool:
        """
        The server for the next exchange.

        @param key: what C{consistent-hash} hashes.
        @param beside: a server that has just failed this exchange; another is taken if there is one.

        @raise NoUpstream: none is healthy.
        """
        only = self._only
        if only is not None and beside is None:
            return only
        usable = self._usable
        if beside is not None and len(usable) > 1:
            usable = [pool for pool in usable if pool is not beside]
        if not usable:
            raise NoUpstream("No server of the upstream is healthy.")
        picked: Any = self._pick(usable, key)
        chosen: ServerPool = picked
        return chosen

    def exchange_failed(self, pool: ServerPool, code: str) -> None:
        """
        An exchange failed by the server's fault.
        """
        self.counters.upstream_failures[self.settings.name, pool.server.url, code] += 1
        self._health.exchange_failed(pool)

    def hear(self, url: str, *, up: bool) -> None:
        """
        Another worker has ejected or restored a server.
        """
        for pool in self.pools:
            if pool.server.url == url:
                self._health.hear(pool, up=up)

    def check(self, checks: bool) -> None:
        """
        Begin or cease to make the active checks.
        """
        self.checks = checks
        self._health.update()

    def states(self) -> Mapping[str, str]:
        """
        Server url to C{up}, C{down} or C{drain}.
        """
        return {pool.server.url: "drain" if pool.server.drain else "up" if pool.up else "down" for pool in self.pools}

    def close(self) -> None:
        """
        The upstream is no longer part of what is served.
        """
        self._health.stop()


@attrs.define(kw_only=True)
class GroupsPlan:
    """
    The upstreams of a snapshot, built but not yet in use.
    """

    timeouts: Timeouts
    limits: ReaderLimits
    pools: dict[tuple[str, PoolKey], ServerPool] = attrs.field(factory=dict)
    groups: list[tuple[Upstream, list[ServerPool]]] = attrs.field(factory=list)


class UpstreamGroups:
    """
    All upstreams of the snapshot that is served.
    """

    def __init__(self, hub: Any, counters: Counters) -> None:
        self._hub = hub
        self._counters = counters
        self._tell: Tell = _nobody
        self._checks = True
        self._groups: dict[str, UpstreamGroup] = {}
        self._pools: dict[tuple[str, PoolKey], ServerPool] = {}

    def __iter__(self) -> Iterator[UpstreamGroup]:
        return iter(self._groups.values())

    def share(self, tell: Tell) -> None:
        """
        Do as other workers do; before the first upstream.

        @param tell: hears of each server that this process ejects or restores.
        """
        self._tell, self._checks = tell, False

    def hear(self, upstream: str, url: str, *, up: bool) -> None:
        """
        Another worker has ejected or restored a server.
        """
        group = self._groups.get(upstream)
        if group is not None:
            group.hear(url, up=up)

    def check(self, checks: bool) -> None:
        """
        Begin or cease to make the active checks of all.
        """
        self._checks = checks
        for group in self._groups.values():
            group.check(checks)

    def plan(self, upstreams: Iterable[Upstream], timeouts: Timeouts, limits: Limits) -> GroupsPlan:
        """
        Build what is missing for these upstreams; nothing changes yet.

        @raise ApplyFailed: TLS material of one cannot be used.
        """
        reader_limits = ReaderLimits(
            fields=limits.fields,
            field_lines=limits.field_lines,
            trailers=limits.trailers,
            trailer_lines=limits.trailer_lines,
            chunk_line=limits.chunk_line,
        )
        plan = GroupsPlan(timeouts=timeouts, limits=reader_limits)
        for upstream in upstreams:
            own: list[ServerPool] = []
            for server in upstream.servers:
                key = upstream.name, PoolKey.of(upstream, server)
                try:
                    pool = self._pools.get(key) or ServerPool(
                        self._hub, upstream, server, timeouts=timeouts, limits=reader_limits, counters=self._counters
                    )
                except ValueError as error:
                    raise ApplyFailed(
                        "invalid-settings",
                        f"upstream {upstream.name}",
                        f"The TLS material of upstream {upstream.name} cannot be used: {error}.",
                    ) from error
                plan.pools[key] = pool
                own.append(pool)
            plan.groups.append((upstream, own))
        return plan

    def apply(self, plan: GroupsPlan) -> Mapping[str, UpstreamGroup]:
        """
        Serve the planned upstreams from now on; what is equal lives on.

        @return: by name.
        """
        groups: dict[str, UpstreamGroup] = {}
        for upstream, own in plan.groups:
            for pool, server in zip(own, upstream.servers, strict=True):
                pool.update(upstream, server, plan.timeouts, plan.limits)
            group = self._groups.get(upstream.name) or UpstreamGroup(self._hub, upstream, self._counters)
            group.tell, group.checks = self._tell, self._checks
            group.update(upstream, own)
            groups[upstream.name] = group
        for key, old_pool in self._pools.items():
            if key not in plan.pools:
                old_pool.close()
        for name, old_group in self._groups.items():
            if name not in groups:
                old_group.close()
        self._pools = plan.pools
        self._groups = groups
        return groups

    def close(self) -> None:
        """
        Keep no connection.
        """
        for pool in self._pools.values():
            pool.close()
        for group in self._groups.values():
            group.close()

    def gauge(self) -> None:
        """
        Write the present state of all servers into the counters.
        """
        connections = self._counters.upstream_connections
        connections.clear()
        self._counters.upstream_up.clear()
        for group in self._groups.values():
            name = group.settings.name
            for pool in group.pools:
                connections[name, pool.server.url, "idle"] = pool.idle
                connections[name, pool.server.url, "active"] = pool.active
                self._counters.upstream_up[name, pool.server.url] = int(pool.up)
