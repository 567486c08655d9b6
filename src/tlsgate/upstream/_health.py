"""
Which servers may be picked: passive and active health checks.

Passive: an exchange that fails by the server's fault counts against it; C{failures} in a row eject it.  Without
active checks it comes back by itself after C{eject_for} seconds, on probation: its next failure ejects it again.
Active: with a C{path}, each server is asked every C{interval}; C{failures} bad answers in a row eject it and
C{successes} good ones restore it.

The last server that is up is never ejected by passive checks: an answer that may fail is better than one that must.

Where several workers serve, what one ejects or restores all do, and one of them makes the active checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ..errors import GateError, NoUpstream
from ..http1 import ResponseHead
from ._connection import UpstreamConnection

if TYPE_CHECKING:
    from ._group import UpstreamGroup
    from ._pool import ServerPool

__all__ = ["HealthWatch"]

_log = Logger()


class HealthWatch:
    """
    Ejects and restores the servers of one group.
    """

    def __init__(self, group: UpstreamGroup) -> None:
        self._group = group
        self._checking: LoopingCall | None = None
        self._path = ""
        self._interval = 0.0
        self._probations: dict[ServerPool, Any] = {}

    def update(self) -> None:
        """
        The group's settings changed.
        """
        health = self._group.settings.health
        path = health.path if self._group.checks else ""
        if self._path and not health.path:
            # Nobody will ask them any more: those that are out come back by themselves.
            for pool in self._group.pools:
                if not pool.up:
                    self._await_probation(pool)
        if (path, health.interval) == (self._path, self._interval):
            return
        self._stop_checking()
        self._path, self._interval = path, health.interval
        if path:
            self._checking = LoopingCall(self._check_all)
            self._checking.clock = self._group.hub.reactor
            self._checking.start(health.interval).addErrback(
                lambda failure: _log.failure("Health checks of {name} stopped", failure, name=self._group.settings.name)
            )

    def stop(self) -> None:
        """
        Check no more, and let nobody come back.
        """
        self._stop_checking()
        for waiting in self._probations.values():
            waiting.cancel()
        self._probations.clear()

    def _stop_checking(self) -> None:
        if self._checking is not None:
            self._checking.stop()
            self._checking = None

    def exchange_failed(self, pool: ServerPool) -> None:
        """
        An exchange failed by the server's fault.
        """
        pool.failures += 1
        pool.successes = 0
        if pool.failures >= self._group.settings.health.failures and pool.up and self._others_up(pool):
            self._eject(pool)

    def _others_up(self, pool: ServerPool) -> bool:
        return any(other.up and not other.server.drain for other in self._group.pools if other is not pool)

    def hear(self, pool: ServerPool, *, up: bool) -> None:
        """
        Another worker has ejected or restored a server.
        """
        if up and not pool.up:
            pool.failures = 0 if self._group.settings.health.path else self._group.settings.health.failures - 1
            self._set_up(pool)
        elif not up and pool.up and (self._group.settings.health.path or self._others_up(pool)):
            self._set_down(pool)

    def _eject(self, pool: ServerPool) -> None:
        self._set_down(pool)
        _log.warn("Upstream {name}: {url} is ejected", name=self._group.settings.name, url=pool.server.url)
        self._group.tell(self._group.settings.name, pool.server.url, False)

    def _set_down(self, pool: ServerPool) -> None:
        pool.up = False
        pool.successes = 0
        self._group.changed()
        if not self._group.settings.health.path:
            self._await_probation(pool)

    def _await_probation(self, pool: ServerPool) -> None:
        if pool not in self._probations:
            health = self._group.settings.health
            later = self._group.hub.reactor.callLater(health.eject_for, self._on_probation, pool)
            self._probations[pool] = later

    def _on_probation(self, pool: ServerPool) -> None:
        del self._probations[pool]
        pool.failures = self._group.settings.health.failures - 1
        self._restore(pool)

    def _restore(self, pool: ServerPool) -> None:
        self._set_up(pool)
        _log.info("Upstream {name}: {url} is restored", name=self._group.settings.name, url=pool.server.url)
        self._group.tell(self._group.settings.name, pool.server.url, True)

    def _set_up(self, pool: ServerPool) -> None:
        waiting = self._probations.pop(pool, None)
        if waiting is not None:
            waiting.cancel()
        pool.up = True
        self._group.changed()

    def _check_all(self) -> None:
        for pool in self._group.pools:
            _Check(self, pool).begin()

    def checked(self, pool: ServerPool, healthy: bool) -> None:
        """
        An active check has ended.
        """
        health = self._group.settings.health
        if healthy:
            pool.failures = pool.failed_checks = 0
            pool.successes += 1
            if not pool.up and pool.successes >= health.successes:
                self._restore(pool)
            return
        pool.successes = 0
        # Counted apart from exchanges: those that succeed between two checks say nothing of what the checks look at.
        pool.failed_checks += 1
        if pool.up and pool.failed_checks >= health.failures:
            self._eject(pool)


class _Check:
    """
    One request to one server; healthy is any answer below 400 in time.
    """

    def __init__(self, watch: HealthWatch, pool: ServerPool) -> None:
        self._watch = watch
        self._pool = pool
        self._connection: UpstreamConnection | None = None
        self._status = 0
        self._timeout: Any = None

    def begin(self) -> None:
        health = self._pool.upstream.health
        self._timeout = self._pool.hub.reactor.callLater(health.timeout, self._too_late)
        try:
            # A used connection may have been closed by the server just now, and would say nothing about it.
            self._pool.lend(self, b"GET", fresh=True)
        except NoUpstream:
            # Busy to the brim is not unhealthy.
            self._timeout.cancel()

    def connection_lent(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        server = self._pool.server
        host = f"[{server.host}]" if ":" in server.host else server.host
        authority = f"{host}:{server.port}" if host else "localhost"
        connection.transport.write(
            b"GET %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: tlsgate-health\r\nAccept: */*\r\n\r\n"
            % (self._pool.upstream.health.path.encode("ascii"), authority.encode("idna"))
        )

    def connection_failed(self, error: GateError) -> None:
        if isinstance(error, NoUpstream):
            self._timeout.cancel()
        else:
            self._end(False)

    def response_head(self, head: ResponseHead) -> None:
        if head.status >= 200:
            self._status = head.status

    def response_content(self, content: bytes) -> None:
        pass

    def response_ended(self, trailers: list[tuple[bytes, bytes]]) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.evict(connection, orderly=True)
        self._end(200 <= self._status < 400)

    def response_paused(self) -> None:
        pass

    def upstream_failed(self, error: GateError) -> None:
        self._connection = None
        self._end(False)

    def tunnel_data(self, data: bytes) -> None:
        pass

    def tunnel_half_closed(self) -> None:
        pass

    def waits_for_client(self) -> bool:
        return False

    def crashed(self) -> None:
        self._connection = None
        self._end(False)

    def _too_late(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.evict(connection)
        elif not self._pool.give_up(self):
            # Still in line: busy to the brim is not unhealthy.
            return
        self._watch.checked(self._pool, False)

    def _end(self, healthy: bool) -> None:
        if self._timeout.active():
            self._timeout.cancel()
            self._watch.checked(self._pool, healthy)
