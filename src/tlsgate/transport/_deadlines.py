"""
Deadlines of many connections with one timed call a tick.

A subject is listed under the tick at which it is looked at next.  Moving its deadline later is one assignment: when
its tick comes, it is found to have time left and is listed again.  No tick lies further ahead than L{HORIZON}, so
a subject that was cleared is let go after at most C{HORIZON + 1} ticks, however late its deadline was.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ._interfaces import Subject

__all__ = ["HORIZON", "Deadlines"]

#: Ticks until a subject is looked at again at the latest: a cleared one is kept no longer, and ten thousand idle ones
#: cost little more than a thousand looks a tick.
HORIZON: Final = 8

_log = Logger()


class Deadlines:
    """
    A coarse wheel of deadlines: fires between I{n} and I{n + 1} ticks after I{n} ticks were asked for.

    To move a subject's deadline later while it has one, assign C{subject.deadline = deadlines.now + ticks}.

    @ivar now: the present tick; begins at 1, so that 0 can mean "none".
    @ivar tick: seconds.
    """

    __slots__ = ("_call", "_callbacks", "_clock", "_slots", "_started", "now", "tick")

    def __init__(self, clock: IReactorTime, tick: float = 1.0) -> None:
        self._clock = clock
        self.tick = tick
        self.now = 1
        self._slots: dict[int, list[Subject]] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._call: IDelayedCall | None = None
        self._started = 0.0

    def start(self) -> None:
        """
        Begin to tick.  Does nothing while it ticks.
        """
        if self._call is None:
            self._started = self._clock.seconds() - self.now * self.tick
            self._schedule()

    def stop(self) -> None:
        """
        Tick no more.  Deadlines stand still until the next C{start}.
        """
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def set(self, subject: Subject, seconds: float) -> None:
        """
        Give a subject a deadline, earlier or later than the one it may have.

        @param seconds: rounded up to whole ticks.
        """
        deadline = self.now + ceil(seconds / self.tick)
        subject.deadline = deadline
        slot = subject.deadline_slot
        if slot == 0 or deadline < slot - 1:
            self._list(subject, deadline + 1)

    def clear(self, subject: Subject) -> None:
        """
        Take a subject's deadline away.
        """
        subject.deadline = 0

    def every_tick(self, callback: Callable[[], None]) -> None:
        """
        Call something at each tick, before the deadlines of that tick, until L{no_longer}.
        """
        self._callbacks.append(callback)

    def no_longer(self, callback: Callable[[], None]) -> None:
        """
        Undo one L{every_tick}.

        @raise ValueError: it is not called at each tick.
        """
        self._callbacks.remove(callback)

    def _list(self, subject: Subject, slot: int) -> None:
        slot = min(slot, self.now + HORIZON)
        subject.deadline_slot = slot
        subjects = self._slots.get(slot)
        if subjects is None:
            self._slots[slot] = [subject]
        else:
            subjects.append(subject)

    def _schedule(self) -> None:
        due = self._started + (self.now + 1) * self.tick - self._clock.seconds()
        self._call = self._clock.callLater(max(0.0, due), self._tick)

    def _tick(self) -> None:
        last = self.now
        # At least one: the clock may be a hair early.  More when the process was held up.
        self.now = max(last + 1, int((self._clock.seconds() - self._started) / self.tick))
        self._schedule()
        for callback in tuple(self._callbacks):
            try:
                callback()
            except Exception:
                _log.failure("A call of each tick failed")
        for slot in range(last + 1, self.now + 1) if self.now - last <= HORIZON else sorted(self._slots):
            if slot <= self.now:
                for subject in self._slots.pop(slot, ()):
                    self._look_at(subject, slot)

    def _look_at(self, subject: Subject, slot: int) -> None:
        if subject.deadline_slot != slot:
            return  # Listed earlier in the meantime.
        subject.deadline_slot = 0
        deadline = subject.deadline
        if deadline == 0:
            return
        if deadline >= self.now:
            self._list(subject, deadline + 1)
            return
        subject.deadline = 0
        try:
            subject.deadline_passed()
        except Exception:
            _log.failure("A deadline could not be kept")
