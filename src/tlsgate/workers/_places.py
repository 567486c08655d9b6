"""
The places of the workers, and the processes that fill them one after another.

A process that ends leaves its place to the spare, which stands by with everything imported, and another spare is started.
One that hangs is ended.  Where processes end as soon as they start, the place rests, longer each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ..problems import Finding, Severity
from ._child import START_LIMIT, Child
from ._heartbeat import BEAT
from ._slot import Slot

__all__ = ["Places"]

#: Seconds until another spare is started, so that it takes no time from the worker that needed the last.
SPARE_DELAY: Final = 1.0

#: Seconds until the first is: a gate that starts has better uses for the processor, and for 45 MB.
FIRST_SPARE_DELAY: Final = 30.0

_log = Logger()


class Places:
    """
    Keeps a process in each place.

    @ivar slots: the places.
    """

    def __init__(
        self,
        reactor: Any,
        count: int,
        *,
        start: Callable[[], Child],
        placed: Callable[[Child], None],
        is_quiet: Callable[[], bool],
    ) -> None:
        """
        @param count: of places.
        @param start: starts a process, which calls L{gone} when it has ended; or raises C{OSError}.
        @param placed: told of each process that is put into a place.
        @param is_quiet: is there time to start a spare?
        """
        self.slots = [Slot() for _ in range(count)]
        self._reactor = reactor
        self._start = start
        self._placed = placed
        self._is_quiet = is_quiet
        self._spare: Child | None = None
        self._spare_call: IDelayedCall | None = None
        self._awaits_first_spare = True
        self._stopping = False
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._looked_at = 0.0

    def __repr__(self) -> str:
        return f"<Places {self.slots!r} spare={self._spare!r}>"

    def fill(self) -> None:
        """
        Start a process for each, and look after them from now on.
        """
        self._looked_at = self._reactor.seconds()
        self._looking.start(BEAT, now=False).addErrback(
            lambda failure: _log.failure("The workers are not looked after any more", failure)
        )
        self._want_spare(FIRST_SPARE_DELAY)
        for slot in self.slots:
            self._fill(slot)

    def stop(self) -> None:
        """
        Who ends now is not replaced.
        """
        self._stopping = True
        for slot in self.slots:
            if slot.resting is not None:
                slot.resting.cancel()
                slot.resting = None
        if self._spare_call is not None:
            self._spare_call.cancel()
            self._spare_call = None

    def close(self) -> None:
        """
        Look after nobody any more.
        """
        self.stop()
        if self._looking.running:
            self._looking.stop()

    def children(self) -> list[Child]:
        """
        All processes, the spare included.
        """
        return [*self.placed(), self._spare] if self._spare is not None else self.placed()

    def placed(self) -> list[Child]:
        """
        The processes that are in a place.
        """
        return [slot.child for slot in self.slots if slot.child is not None]

    def wake(self) -> None:
        """
        Let no place rest any longer: what made its processes end may be over.
        """
        for slot in self.slots:
            if slot.resting is not None:
                slot.resting.reset(0)

    def findings(self) -> tuple[Finding, ...]:
        """
        What is to be said about the processes.
        """
        resting = [slot for slot in self.slots if slot.resting is not None]
        if not resting:
            return ()
        return (
            Finding(
                "worker-crash-loop",
                Severity.ERROR,
                f"{len(resting)} of {len(self.slots)} workers end as soon as they start and are tried again ever more "
                "rarely; the log has the reason.",
            ),
        )

    def gone(self, child: Child) -> None:
        """
        A process has ended.
        """
        if child is self._spare:
            self._spare = None
            self._want_spare(START_LIMIT)
        for slot in self.slots:
            if slot.child is child:
                self._empty(slot)

    # Who is in them.

    def _fill(self, slot: Slot) -> None:
        slot.resting = None
        slot.placed_at = self._reactor.seconds()
        child, self._spare = self._spare, None
        try:
            slot.child = child or self._start()
        except OSError as reason:
            _log.error("A worker cannot be started: {reason}", reason=reason)
            self._empty(slot)
            return
        self._placed(slot.child)
        if slot.failures:
            if self._spare_call is not None and self._awaits_first_spare:
                self._awaits_first_spare = False
                self._spare_call.reset(SPARE_DELAY)
            self._want_spare(SPARE_DELAY)

    def _empty(self, slot: Slot) -> None:
        delay = slot.lost(self._reactor.seconds())
        if self._stopping:
            return
        if delay:
            _log.error(
                "A worker ended {count} times in a row; the next starts in {delay} s", count=slot.failures, delay=delay
            )
            slot.resting = self._reactor.callLater(delay, self._fill, slot)
        else:
            self._fill(slot)

    def _want_spare(self, delay: float) -> None:
        if self._spare_call is None and not self._stopping:
            self._spare_call = self._reactor.callLater(delay, self._start_spare)

    def _start_spare(self) -> None:
        self._spare_call = None
        self._awaits_first_spare = False
        if self._spare is not None:
            return
        if not self._is_quiet():
            self._want_spare(SPARE_DELAY)
            return
        try:
            self._spare = self._start()
        except OSError as reason:
            _log.warn("A spare worker cannot be started: {reason}", reason=reason)
            self._want_spare(START_LIMIT)

    # Do they live?

    def _look(self) -> None:
        now = self._reactor.seconds()
        # If this process did not run, silence says nothing about the others: their answers may wait to be read.
        away = now - self._looked_at > 1.5 * BEAT
        self._looked_at = now
        for child in self.children():
            if away:
                child.heartbeat.forgive(now)
            self._look_at(child, now)

    def _look_at(self, child: Child, now: float) -> None:
        complaint = child.heartbeat.complaint(now)
        if not child.up and now - child.began_at > START_LIMIT:
            complaint = "does not start"
        if complaint:
            _log.error("Worker {pid} {complaint} and is replaced", pid=child.pid, complaint=complaint)
            child.kill()
        elif child.up:
            child.beat()
