"""
Silence, and what it means.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tlsgate.workers._heartbeat import BEAT, BLOCKED, COMPUTING, SILENT, STARVED, Activity, Heartbeat, activity_of

#: What a process does so many seconds after it was asked.
Behaviour = Callable[[float], Activity | None]


def replaced_after(behaviour: Behaviour, *, limit: float = 60.0) -> tuple[float, str]:
    """
    When a process that never answers is complained of, and how.
    """
    now = 0.0
    heartbeat = Heartbeat(lambda: behaviour(now))
    heartbeat.asked(now)
    while now < limit:
        now += BEAT
        complaint = heartbeat.complaint(now)
        if complaint:
            return now, complaint
    return limit, ""


@pytest.mark.parametrize(
    ("behaviour", "seconds", "complaint"),
    [
        (lambda _: Activity("T", 5.0), BLOCKED, "is stopped"),
        (lambda _: Activity("S", 5.0), BLOCKED, "is blocked"),
        (lambda now: Activity("R", now), COMPUTING, "computes and does not answer"),
        # Half of the time it waits for a lock.
        (lambda now: Activity("RS"[int(now / BEAT) % 2], now / 2), 2 * COMPUTING, "computes and does not answer"),
        (lambda now: Activity("S", now / 2), 2 * COMPUTING, "computes and does not answer"),
        (lambda _: Activity("D", 5.0), SILENT, "does not answer"),
        (lambda _: None, SILENT, "does not answer"),
        # The processor belongs to others.
        (lambda _: Activity("R", 5.0), STARVED, "does not answer"),
        (lambda now: Activity("R", now / 10), STARVED, "does not answer"),
    ],
)
def test_reasons(behaviour: Behaviour, seconds: float, complaint: str) -> None:
    """
    Each has a limit of its own.
    """
    assert replaced_after(behaviour) == (pytest.approx(seconds, abs=BEAT), complaint)


def test_no_complaint_of_who_answers() -> None:
    """
    However late within the limit, and however little it does.
    """
    heartbeat = Heartbeat(lambda: Activity("S", 1.0))
    now = 0.0
    for _ in range(100):
        heartbeat.asked(now)
        now += BEAT
        assert heartbeat.complaint(now) == ""
        heartbeat.answered()
        now += BLOCKED
        assert heartbeat.complaint(now) == ""


def test_who_was_away_forgives() -> None:
    """
    From then on it counts anew.
    """
    heartbeat = Heartbeat(lambda: Activity("S", 1.0))
    heartbeat.forgive(1.0)
    assert not heartbeat.waiting
    heartbeat.asked(1.0)
    heartbeat.forgive(3600.0)
    assert heartbeat.complaint(3600.0 + BLOCKED / 2) == ""
    assert heartbeat.complaint(3600.0 + BLOCKED) == "is blocked"


def test_activity() -> None:
    """
    The kernel tells of a process that waits, is stopped, or is no more.
    """
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        found = activity_of(process.pid)
        assert found is not None
        assert found.state == "T"
        process.kill()
    assert activity_of(process.pid) is None
    mine = activity_of(os.getpid())
    assert mine is not None
    assert (mine.state, mine.ran > 0) == ("R", True)
