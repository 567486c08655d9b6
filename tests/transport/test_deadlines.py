"""
Deadlines fire in time, are cheap to move, and keep nothing alive.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from tlsgate.transport import Deadlines
from tlsgate.transport._deadlines import HORIZON


class Subject:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.deadline = self.deadline_slot = 0
        self.fired: list[float] = []

    def deadline_passed(self) -> None:
        self.fired.append(self.clock.seconds())


def running(offset: float = 0.0) -> tuple[Clock, Deadlines]:
    clock = Clock()
    deadlines = Deadlines(clock)
    deadlines.start()
    if offset:
        clock.advance(offset)
    return clock, deadlines


def walk(clock: Clock, seconds: float) -> None:
    for _ in range(round(seconds * 4)):
        clock.advance(0.25)


@pytest.mark.parametrize("seconds", [0.5, 1, 3, HORIZON, 60])
@pytest.mark.parametrize("offset", [0.0, 0.25, 0.75])
def test_fires_within_one_tick(seconds: float, offset: float) -> None:
    """A deadline of n ticks fires once, between n and n + 1 ticks later."""
    clock, deadlines = running(offset)
    subject = Subject(clock)
    begin = clock.seconds()
    deadlines.set(subject, seconds)
    walk(clock, 70)
    assert len(subject.fired) == 1
    whole = -(-seconds // 1)
    assert whole <= subject.fired[0] - begin <= whole + 1
    assert subject.deadline == subject.deadline_slot == 0


def test_moves_later_by_assignment() -> None:
    """Assigning a later deadline is all it takes."""
    clock, deadlines = running()
    subject = Subject(clock)
    deadlines.set(subject, 3)
    for _ in range(20):
        walk(clock, 2)
        subject.deadline = deadlines.now + 3
    assert subject.fired == []
    walk(clock, 4)
    assert len(subject.fired) == 1


def test_moves_earlier() -> None:
    """Setting an earlier deadline fires at the earlier one, and only then."""
    clock, deadlines = running()
    subject = Subject(clock)
    deadlines.set(subject, 7)
    deadlines.set(subject, 1)
    walk(clock, 2)
    assert len(subject.fired) == 1
    walk(clock, 20)
    assert len(subject.fired) == 1


def test_clear() -> None:
    """A cleared deadline does not fire, and another one can be set."""
    clock, deadlines = running()
    subject = Subject(clock)
    deadlines.set(subject, 2)
    deadlines.clear(subject)
    walk(clock, 5)
    assert subject.fired == []
    deadlines.set(subject, 2)
    walk(clock, 3)
    assert len(subject.fired) == 1


def test_cleared_subjects_are_let_go() -> None:
    """A cleared subject is kept for HORIZON + 1 ticks at most, however late its deadline was."""
    clock, deadlines = running()
    subject = Subject(clock)
    deadlines.set(subject, 3600)
    deadlines.clear(subject)
    alive = weakref.ref(subject)
    del subject
    walk(clock, HORIZON + 1)
    gc.collect()
    assert alive() is None


def test_held_up_process() -> None:
    """After a pause of many ticks everything overdue fires at once, and once."""
    clock, deadlines = running()
    subjects = [Subject(clock) for _ in range(30)]
    for seconds, subject in enumerate(subjects):
        deadlines.set(subject, seconds + 1)
    clock.advance(100)
    assert [len(subject.fired) for subject in subjects] == [1] * 30


def test_every_tick() -> None:
    """What is registered is called once a tick while the wheel turns, until it is taken back."""
    clock, deadlines = running()
    calls: list[int] = []

    def call() -> None:
        calls.append(deadlines.now)

    deadlines.every_tick(call)
    walk(clock, 3)
    assert calls == [2, 3, 4]
    deadlines.no_longer(call)
    walk(clock, 3)
    assert len(calls) == 3
    with pytest.raises(ValueError, match="not in"):
        deadlines.no_longer(call)


def test_stop() -> None:
    """A stopped wheel leaves no call behind, and goes on where it stood."""
    clock, deadlines = running()
    subject = Subject(clock)
    deadlines.set(subject, 2)
    deadlines.stop()
    assert clock.getDelayedCalls() == []
    walk(clock, 50)
    assert subject.fired == []
    deadlines.start()
    deadlines.start()
    assert len(clock.getDelayedCalls()) == 1
    walk(clock, 3)
    assert len(subject.fired) == 1


def test_one_failure_does_not_stop_the_rest() -> None:
    """A subject or a call of each tick that raises is logged; the others do not notice."""
    clock, deadlines = running()
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:

        class Broken(Subject):
            def deadline_passed(self) -> None:
                raise RuntimeError("broken")

        def broken() -> None:
            raise RuntimeError("broken")

        first, second = Broken(clock), Subject(clock)
        deadlines.every_tick(broken)
        deadlines.set(first, 1)
        deadlines.set(second, 1)
        walk(clock, 2)
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert len(second.fired) == 1
    assert len([event for event in events if "log_failure" in event]) == 3


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["set", "later", "clear", "walk"]), st.integers(1, 30)), max_size=25))
def test_any_history(history: list[tuple[str, int]]) -> None:
    """Whatever is done to a deadline, it fires exactly when the last word said, give or take the tick."""
    clock, deadlines = running()
    subject = Subject(clock)
    due: tuple[int, int] | None = None
    expected = 0
    for verb, number in history:
        if verb == "set":
            deadlines.set(subject, number)
            due = (deadlines.now, number)
        elif verb == "later" and due is not None and deadlines.now + number >= sum(due):
            subject.deadline = deadlines.now + number
            due = (deadlines.now, number)
        elif verb == "clear":
            deadlines.clear(subject)
            due = None
        elif verb == "walk":
            for _ in range(number):
                clock.advance(1)
                if due is not None and deadlines.now > sum(due):
                    expected += 1
                    due = None
                assert len(subject.fired) == expected
