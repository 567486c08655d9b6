"""
Time that passes, as opposed to time that is set.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

__all__ = ["count_steadily"]


def count_steadily(reactor: Any) -> None:
    """
    Let a reactor measure time by a clock that nobody can set.

    Twisted's reactors count C{time.time()}: put forward, that ends every timeout at once, and put back, none any more until
    the old time is reached again.  Call it before anything is scheduled.

    @param reactor: provides L{IReactorTime<twisted.internet.interfaces.IReactorTime>}.
    """
    reactor.seconds = monotonic
