"""
Redirect loops.
"""

from __future__ import annotations

from tlsgate.policy import LoopDetector


def test_suspends_the_peer() -> None:
    """A peer that claims HTTPS untrusted and asks again and again is suspended, and named with the setting."""
    loops = LoopDetector(times=3, suspended_for=60)
    assert [loops.note("10.0.0.1", "c", b"/", True, 1.0) for _ in range(4)] == [False, False, True, True]
    assert "10.0.0.1" in loops.findings(2.0)[0].message
    assert not loops.is_suspended("10.0.0.1", 61.0)
    assert not any(loops.note("10.0.0.2", "c", b"/", False, 1.0) for _ in range(9))
