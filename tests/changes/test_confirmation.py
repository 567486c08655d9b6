"""
Commit-confirm: a change that nobody confirms over a new connection comes undone, whatever happens meanwhile.
"""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tlsgate.changes import ChangeRequest
from tlsgate.interfaces import ApplyFailed
from tlsgate.problems import Problem


def confirm(lab: Any, number: int, connected_at: float | None = None) -> str:
    """
    The code with which a confirmation is refused; empty if it is not.
    """
    at = lab.clock.seconds() + 1 if connected_at is None else connected_at
    failures: list[Any] = []
    Deferred.fromCoroutine(lab.changes.confirm(number, connected_at=at, author="me")).addErrback(failures.append)
    if not failures:
        return ""
    assert isinstance(failures[0].value, Problem), failures[0]
    return failures[0].value.code


def states(lab: Any) -> dict[int, str]:
    return {row["number"]: row["state"] for row in lab.changes.history()}


def test_unconfirmed_comes_undone(lab: Any) -> None:
    """
    When time is up a new generation with the old content is served, and the history says so.
    """
    old = lab.changes.current
    outcome = lab.apply(lab.certify("default", key="other"), confirm_within=60)
    assert outcome.confirm_by == lab.changes.confirm_by() == lab.wall + 60
    assert states(lab) == {1: "past", 2: "unconfirmed"}
    lab.advance(59.5)
    assert lab.plane.generation == 2
    lab.advance(1)
    assert lab.plane.generation == 3
    assert lab.changes.current.certificates == old.certificates
    assert states(lab) == {1: "past", 2: "undone", 3: "current"}
    assert lab.changes.confirm_by() is None
    lab.clock.advance(0)
    assert [event["what"] for event in lab.events] == ["applied", "undone"]


def test_confirmed_stays(lab: Any) -> None:
    """
    A confirmed change stays, also after a restart.
    """
    lab.apply(lab.site(max_body=5), confirm_within=60)
    lab.advance(10)
    assert confirm(lab, 2) == ""
    lab.advance(100)
    assert states(lab) == {1: "past", 2: "current"}
    lab.restart()
    lab.advance(100)
    assert lab.changes.current.number == 2
    assert confirm(lab, 2) == "not-unconfirmed"


def test_confirmation_needs_a_new_connection(lab: Any) -> None:
    """
    A connection from before the change proves nothing.
    """
    lab.advance(10)
    lab.apply(lab.site(max_body=5), confirm_within=60)
    assert confirm(lab, 2, lab.clock.seconds() - 1) == "confirm-over-old-path"
    assert states(lab)[2] == "unconfirmed"
    assert confirm(lab, 2, lab.clock.seconds() + 0.1) == ""


@pytest.mark.parametrize("number", [1, 2, 7])
def test_confirming_what_does_not_wait_is_refused(lab: Any, number: int) -> None:
    """
    A generation that asked for no confirmation, or does not exist, cannot be confirmed.
    """
    lab.apply(lab.site(max_body=5))
    assert confirm(lab, number) == "not-unconfirmed"


def test_undone_over_a_restart(lab: Any) -> None:
    """
    If time runs out while no gate runs, the next start serves the old content and never the unconfirmed one.
    """
    lab.apply(lab.site(hsts={"enabled": True, "max_age": 999}), confirm_within=60)
    lab.crash()
    lab.wall += 61
    lab.start()
    assert lab.plane.done == [("prepare", 3), ("commit", 3)]
    assert not lab.plane.snapshot.sites[0].hsts.enabled
    assert lab.plane.snapshot.sites[0].hsts.off_until == lab.wall + 999
    assert states(lab) == {1: "past", 2: "undone", 3: "current"}
    assert lab.store.current() == lab.changes.current


def test_counts_on_over_a_restart(lab: Any) -> None:
    """
    What still has time after a restart is served, and undone when its time of day comes.
    """
    lab.apply(lab.site(max_body=5), confirm_within=60)
    lab.crash()
    lab.wall += 20
    lab.start()
    assert states(lab)[2] == "unconfirmed"
    lab.advance(39)
    assert lab.plane.generation == 2
    lab.advance(2)
    assert states(lab)[2] == "undone"


def test_a_connection_after_a_restart_is_new(lab: Any) -> None:
    """
    Whoever reaches the restarted gate has a new connection.
    """
    lab.apply(lab.site(max_body=5), confirm_within=60)
    lab.restart()
    assert confirm(lab, 2) == ""


@pytest.mark.parametrize("jump", [-86400.0, 365 * 86400.0])
def test_a_clock_that_is_set_changes_nothing(lab: Any, jump: float) -> None:
    """
    Within one run only monotonic time counts.
    """
    lab.apply(lab.site(max_body=5), confirm_within=60)
    lab.wall += jump
    lab.advance(59)
    assert states(lab)[2] == "unconfirmed"
    lab.advance(2)
    assert states(lab)[2] == "undone"


def test_a_clock_set_back_before_a_restart_does_not_wait_forever(lab: Any) -> None:
    """
    After a restart nothing waits longer than the longest time that can be asked for.
    """
    lab.apply(lab.site(max_body=5), confirm_within=60)
    lab.wall -= 86400 * 365
    lab.restart()
    lab.advance(3601)
    assert states(lab)[2] == "undone"


def test_a_change_on_top_waits_too(lab: Any) -> None:
    """
    What is built on an unconfirmed change is undone with it.
    """
    document = lab.changes.current.document
    lab.apply(lab.site(max_body=5), confirm_within=60)
    outcome = lab.apply(lab.site(max_body=6))
    assert outcome.confirm_by == lab.wall + 60
    lab.advance(61)
    assert states(lab) == {1: "past", 2: "undone", 3: "undone", 4: "current"}
    assert lab.changes.current.document == document


def test_confirming_below_settles_what_asked_for_nothing(lab: Any) -> None:
    """
    Once the change is confirmed, what was built on it need not be.
    """
    lab.apply(lab.site(max_body=5), confirm_within=60)
    lab.apply(lab.site(max_body=6))
    assert confirm(lab, 2) == ""
    lab.advance(100)
    assert states(lab) == {1: "past", 2: "past", 3: "current"}


def test_confirming_on_top_settles_all(lab: Any) -> None:
    """
    Confirming the latest confirms what it was made from.
    """
    lab.apply(lab.site(max_body=5), confirm_within=60)
    lab.apply(lab.site(max_body=6), confirm_within=30)
    assert confirm(lab, 3) == ""
    lab.advance(100)
    assert lab.changes.current.number == 3


def test_each_has_its_own_time(lab: Any) -> None:
    """
    After the first of two is confirmed, the second comes undone to it at its own time.
    """
    lab.apply(lab.site(max_body=5), confirm_within=20)
    lab.apply(lab.site(max_body=6), confirm_within=60)
    assert lab.changes.confirm_by() == lab.wall + 20
    assert confirm(lab, 2) == ""
    lab.advance(21)
    assert states(lab)[3] == "unconfirmed"
    lab.advance(40)
    assert states(lab) == {1: "past", 2: "past", 3: "undone", 4: "current"}
    assert lab.changes.effective.sites[0].max_body == 5


def test_undoing_is_tried_again(lab: Any) -> None:
    """
    If the old content cannot be served when time is up, that is tried again until it can.
    """
    lab.apply(lab.site(max_body=5), confirm_within=60)
    busy = ApplyFailed("port-in-use", "binding http", "Port 8080 is in use.")
    lab.plane.prepare_fails = [busy, busy]
    lab.advance(61)
    assert lab.changes.current.number == 2
    for _ in range(12):
        lab.advance(1)
    assert states(lab)[2] == "undone"


def test_undoing_needs_no_leave_of_the_guard(lab: Any) -> None:
    """
    Undoing goes back even where a change would be refused.
    """
    lab.apply(lab.site(redirect={"mode": "all"}))
    lab.apply(lab.certify("default", end=lab.wall + 30), confirm_within=60)
    lab.apply(lab.site(redirect={"mode": "disabled"}))
    lab.advance(61)
    assert lab.changes.effective.sites[0].redirect.mode == "all"


def test_the_base_is_not_forgotten(lab: Any) -> None:
    """
    However little history is kept, what an unconfirmed change goes back to is.
    """
    lab.apply(lambda draft: draft.document.update(generations={"keep": 1}))
    lab.apply(lab.site(max_body=5), confirm_within=60)
    for size in range(6, 10):
        lab.apply(lab.site(max_body=size))
    lab.advance(61)
    assert lab.changes.effective.sites[0].max_body == 0


def test_rollback_can_wait_for_confirmation(lab: Any) -> None:
    """
    A rollback is a change like any other.
    """
    lab.apply(lab.site(max_body=5))
    Deferred.fromCoroutine(lab.changes.rollback(1, ChangeRequest(author="x", confirm_within=30)))
    assert states(lab)[3] == "unconfirmed"
    lab.advance(31)
    assert lab.changes.effective.sites[0].max_body == 5
