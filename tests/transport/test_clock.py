"""
Time that passes.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
from twisted.internet.epollreactor import EPollReactor

from tlsgate.transport import count_steadily


def test_a_clock_that_is_set_moves_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A call is due after the time that it was given, whatever the time of day becomes meanwhile.
    """
    reactor: Any = EPollReactor()  # type: ignore[no-untyped-call]  # Twisted's
    count_steadily(reactor)
    calls: list[str] = []
    try:
        late = reactor.callLater(3600, calls.append, "late")
        reactor.callLater(0, calls.append, "now")
        monkeypatch.setattr(time, "time", lambda: 1e12)
        reactor.runUntilCurrent()
        assert calls == ["now"]
        assert 3500 < reactor.timeout() <= 3600
        late.cancel()
    finally:
        for selectable in reactor.removeAll():
            selectable.connectionLost(None)
