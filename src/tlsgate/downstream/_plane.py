"""
What all channels of a process share.

The gate replaces its parts by single assignments; a channel looks them up for each request, so a swap touches no connection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

from ..counters import Counters
from ..http1 import ReaderLimits
from ..policy import LoopDetector, PlainHTTPReport
from ..sites import Limits, Timeouts
from ._access_log import AccessLog
from ._routing import Routes

__all__ = ["Plane"]


class Plane:
    """
    The present state of the data plane in one process.

    @ivar routes: which site serves a host.
    @ivar challenges: live ACME HTTP-01 challenges, token to key authorization.
    @ivar draining: close each connection after its present exchange.
    @ivar report: who still uses plain HTTP.
    @ivar loops: peers that terminate TLS in front of us without our knowing.
    @ivar salt: of fingerprints of credentials; the same in all processes of a gate, and in no other gate.
    @ivar identity: this gate's name in C{Via}; a request that carries it has come full circle.
    @ivar wall: Unix time of the present tick.
    @ivar date_line: the C{Date} line of the present second.
    """

    def __init__(
        self,
        hub: Any,
        *,
        counters: Counters,
        access_log: AccessLog,
        routes: Routes,
        wall_clock: Callable[[], float],
        identity: str,
        loops: LoopDetector | None = None,
        salt: bytes = b"",
    ) -> None:
        self.hub = hub
        self.deadlines = hub.deadlines
        self.counters = counters
        self.access_log = access_log
        self.routes = routes
        self.identity = identity.encode("ascii")
        self.via_line = b"Via: 1.1 %b\r\n" % self.identity
        self.challenges: Mapping[bytes, bytes] = {}
        self.draining = False
        self.report = PlainHTTPReport()
        self.loops = LoopDetector() if loops is None else loops
        self.salt = salt or os.urandom(16)
        self._wall_clock = wall_clock
        self._id_prefix = os.urandom(6).hex().encode("ascii")
        self._id_count = 0
        self.set_limits(Timeouts(), Limits())
        self.tick()
        self.deadlines.every_tick(self.tick)

    def set_limits(self, timeouts: Timeouts, limits: Limits) -> None:
        """
        Use these for requests from now on.
        """
        self.timeouts = timeouts
        self.limits = limits
        self.reader_limits = ReaderLimits(
            target=limits.target,
            fields=limits.fields,
            field_lines=limits.field_lines,
            trailers=limits.trailers,
            trailer_lines=limits.trailer_lines,
            chunk_line=limits.chunk_line,
        )

    def tick(self) -> None:
        """
        A second has passed.
        """
        self.wall = now = self._wall_clock()
        self.date_line = b"Date: %b\r\n" % formatdate(now, usegmt=True).encode("ascii")
        for served in self.routes.sites:
            served.refresh(now)

    def stop(self) -> None:
        """
        Tick no more.
        """
        self.deadlines.no_longer(self.tick)

    def plain_http(self) -> tuple[dict[str, Any], ...]:
        """
        Who uses plain HTTP, and who loops, as plain values: see L{PlainHTTPReport} and L{LoopDetector}.
        """
        return (*self.report.rows(), *self.loops.rows(self.wall))

    def next_request_id(self) -> bytes:
        """
        An identifier that no other request has.
        """
        self._id_count += 1
        return b"%b%010x" % (self._id_prefix, self._id_count)
