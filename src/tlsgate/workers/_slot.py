"""
The place of one worker, which several processes may fill one after another.
"""

from __future__ import annotations

from typing import Final

import attrs
from twisted.internet.interfaces import IDelayedCall

from ..counters import Counters
from ..interfaces import WorkerReport
from ..policy import PlainHTTPReport
from ._child import Child

__all__ = ["QUICK", "Slot"]

#: Seconds: a process that serves for less than this has failed quickly.
QUICK: Final = 3.0

#: Quick failures in a row after which the next process has to wait.
PATIENCE: Final = 3

LONGEST_REST: Final = 30.0


class Slot:
    """
    @ivar child: the process in it; C{None} between two.
    @ivar failures: quick failures in a row.
    @ivar resting: the end of the present rest, where there were too many of them.
    """

    def __init__(self) -> None:
        self.child: Child | None = None
        self.placed_at = 0.0
        self.failures = 0
        self.resting: IDelayedCall | None = None
        self._counters = Counters()
        self._plain_http = PlainHTTPReport()

    def __repr__(self) -> str:
        return f"<Slot {self.child!r} failures={self.failures}>"

    def lost(self, now: float) -> float:
        """
        The process has ended.  What it had counted stays.

        @return: seconds until the next may start.
        """
        child, self.child = self.child, None
        if child is not None and child.report is not None:
            counters = child.report.counters
            # What was only now so is over.
            for gauge in (counters.connections, counters.upstream_connections, counters.upstream_up):
                gauge.clear()
            self._counters.add(counters)
            self._plain_http.merge(child.report.plain_http)
        self.failures = self.failures + 1 if now - self.placed_at < QUICK else 1
        if self.failures < PATIENCE:
            return 0.0
        return float(min(0.5 * 2 ** (self.failures - PATIENCE), LONGEST_REST))

    def report(self) -> WorkerReport:
        """
        What is known of it, from those before too: a count never goes back.
        """
        said = None if self.child is None else self.child.report
        counters = Counters()
        counters.add(self._counters)
        if said is None:
            pid, generation = (0, 0) if self.child is None else (self.child.pid, self.child.generation)
            return WorkerReport(
                pid=pid, generation=generation, counters=counters, plain_http=tuple(self._plain_http.rows())
            )
        counters.add(said.counters)
        return attrs.evolve(said, counters=counters, plain_http=(*said.plain_http, *self._plain_http.rows()))
