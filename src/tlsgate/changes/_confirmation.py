"""
The countdown until an unconfirmed change is undone.

Within one run it counts monotonic seconds, so that a clock that is set cannot shorten or lengthen it; a new run knows
only the time of day at which it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ._history import Waiting
from ._requests import LONGEST_CONFIRM

__all__ = ["Countdown"]

RETRY_AFTER: Final = 5.0


class Countdown:
    """
    Calls back once, when time is up.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, monotonic: Callable[[], float], over: Callable[[], Deferred[None]]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._over = over
        self._call: IDelayedCall | None = None
        self._base = 0
        self._ends = 0.0

    def run(self, waiting: Waiting, now: float) -> None:
        """
        Count down to C{waiting.confirm_by}.  While it runs for the same base, it can only become shorter.

        @param now: Unix time.
        """
        left = min(max(waiting.confirm_by - now, 0.0), float(LONGEST_CONFIRM))
        ends = self._monotonic() + left
        if self._call is not None and self._base == waiting.base:
            ends = min(ends, self._ends)
        self.cancel()
        self._base, self._ends = waiting.base, ends
        self._wait()

    def is_over(self, waiting: Waiting) -> bool:
        """
        Is time up for what waits?
        """
        return waiting.base == self._base and self._monotonic() >= self._ends

    def retry(self) -> None:
        """
        Call back again in a while: time is up, but undoing failed.
        """
        self._call = self._clock.callLater(RETRY_AFTER, self._elapsed)

    def cancel(self) -> None:
        """
        Count no more.
        """
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()

    def _wait(self) -> None:
        self._call = self._clock.callLater(max(0.0, self._ends - self._monotonic()), self._elapsed)

    def _elapsed(self) -> None:
        # A reactor that counts in wall time calls early after the clock was set forward.
        if self._monotonic() < self._ends:
            self._wait()
            return
        self._over().addErrback(lambda failure: self._log.failure("an unconfirmed change was not undone", failure))
