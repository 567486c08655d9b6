"""
The supervisor: all workers or none, and another where one is gone.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from _scripted import Plane, ScriptedReactor, certificate, snapshot
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyClass

from tlsgate.interfaces import ApplyFailed, IDataPlane
from tlsgate.workers import LocalPlane, Supervisor
from tlsgate.workers._child import START_LIMIT
from tlsgate.workers._heartbeat import SILENT
from tlsgate.workers._places import FIRST_SPARE_DELAY, SPARE_DELAY
from tlsgate.workers._supervisor import COMMIT_LIMIT


@pytest.mark.parametrize("kind", [Supervisor, LocalPlane])
def test_is_a_data_plane(kind: type) -> None:
    """
    Whoever publishes need not know which it is.
    """
    assert verifyClass(IDataPlane, kind)


def test_all_prepare_before_any_commits(plane: Plane) -> None:
    """
    A prepared snapshot is served by nobody; a committed one by all.
    """
    prepared = plane.done(plane.supervisor.prepare(snapshot(1)))
    assert plane.serving == []
    plane.done(prepared.commit())
    assert plane.serving == [1, 1]
    # Now that no socket is open that is not served, they need not take who comes to one.
    for process in plane.reactor.running[:2]:
        assert process.asked.index("commit") < process.asked.index("release")
    assert plane.supervisor.generation == 1
    assert plane.supervisor.ports()["http"] > 0
    assert [report.generation for report in plane.done(plane.supervisor.report())] == [1, 1]


def test_one_refusal_stops_all(plane: Plane) -> None:
    """
    What others had built for it is given up, and what served serves.
    """
    plane.serve(snapshot(1))
    one, other = plane.reactor.running[:2]
    other.answers["prepare"] = ApplyFailed("invalid-settings", "binding http", "No.")
    with pytest.raises(ApplyFailed, match="No"):
        plane.done(plane.supervisor.prepare(snapshot(2)))
    assert one.asked[-2:] == ["prepare", "abort"]
    assert plane.serving == [1, 1]


def test_a_socket_that_cannot_listen_stops_all(scripted: ScriptedReactor) -> None:
    """
    One that was only bound listens before any worker commits; if it cannot, nobody does, and all give it up.
    """

    def begin() -> None:
        assert plane.serving == []
        raise ApplyFailed("port-in-use", "binding http", "Somebody was faster.")

    plane = Plane(scripted, begin=begin)
    prepared = plane.done(plane.supervisor.prepare(snapshot(1)))
    with pytest.raises(ApplyFailed, match="faster"):
        plane.done(prepared.commit())
    assert plane.serving == []
    assert [process.asked[-1] for process in plane.reactor.running[:2]] == ["abort", "abort"]
    plane.serve(snapshot(2))
    assert plane.serving == [2, 2]
    plane.done(plane.supervisor.close(), 10)


def test_a_worker_that_does_not_answer_fails_the_change(plane: Plane) -> None:
    """
    After the time limit the change is refused with C{worker-unresponsive}, and the worker is replaced.
    """
    plane.serve(snapshot(1))
    silent = plane.reactor.running[0]
    silent.answers["prepare"] = Deferred()
    with pytest.raises(ApplyFailed) as refused:
        plane.done(plane.supervisor.prepare(snapshot(2)), 30)
    assert refused.value.code == "worker-unresponsive"
    assert not silent.alive
    assert plane.serving == [1, 1]


def test_a_commit_waits_for_the_replacement_of_one_that_dies(plane: Plane) -> None:
    """
    Between the two steps a worker may end: the one in its place serves the new snapshot from its beginning.
    """
    plane.serve(snapshot(1))
    prepared = plane.done(plane.supervisor.prepare(snapshot(2)))
    plane.reactor.running[1].end()
    plane.done(prepared.commit())
    assert plane.serving == [2, 2]


def test_a_snapshot_that_kills_workers_is_refused(plane: Plane) -> None:
    """
    Where no process survives the commit, the change fails in time, and the old snapshot can be served again.
    """
    old = snapshot(1)
    plane.serve(old)
    reactor = plane.reactor
    prepared = plane.done(plane.supervisor.prepare(snapshot(2)))
    for process in reactor.running:
        process.answers["commit"] = ValueError("crash")
    reactor.answers["commit"] = ValueError("crash")
    with pytest.raises(ApplyFailed) as refused:
        plane.done(prepared.commit(), COMMIT_LIMIT + 1)
    assert refused.value.code == "worker-unresponsive"
    assert plane.supervisor.generation == 1
    reactor.answers.clear()
    for process in reactor.running:
        process.answers.clear()
    plane.reactor.turn(31)
    plane.serve(old, 31)
    assert plane.serving == [1, 1]


def test_the_spare_takes_an_empty_place_at_once(plane: Plane) -> None:
    """
    No time passes until another serves the current snapshot and its challenges; then a new spare is started.
    """
    plane.serve(snapshot(1))
    plane.done(plane.supervisor.publish_challenges({b"token": b"proof"}, {}))
    plane.reactor.turn(FIRST_SPARE_DELAY)
    assert len(plane.reactor.running) == 3
    spare = plane.reactor.running[-1]
    assert spare.served is None
    plane.reactor.running[0].end()
    plane.reactor.turn()
    assert plane.serving == [1, 1]
    assert spare.served is not None
    assert spare.challenges == ({b"token": b"proof"}, {})
    plane.reactor.turn(3)
    assert len(plane.reactor.running) == 3


def test_challenges_are_published_to_all(plane: Plane) -> None:
    """
    The publisher hears of it when every worker answers them.
    """
    plane.serve(snapshot(1))
    plane.done(plane.supervisor.publish_challenges({b"a": b"b"}, {"x.test": certificate("x")}))
    assert [process.challenges for process in plane.reactor.running[:2]] == [
        ({b"a": b"b"}, {"x.test": certificate("x")})
    ] * 2
    assert plane.supervisor.challenges() == {b"a": b"b"}


def test_the_first_spare_waits_unless_it_is_needed(plane: Plane) -> None:
    """
    A worker that ends soon after the start is replaced at once, and then a spare comes early.
    """
    plane.serve(snapshot(1))
    plane.reactor.turn(FIRST_SPARE_DELAY / 2)
    assert len(plane.reactor.running) == 2
    plane.reactor.running[0].end()
    plane.reactor.turn()
    assert plane.serving == [1, 1]
    plane.reactor.turn(SPARE_DELAY)
    assert len(plane.reactor.running) == 3


def test_a_loop_over_several_workers_is_suspended_in_all(plane: Plane) -> None:
    """
    Three redirects of one client are a loop whoever of the workers made them; who starts later hears of it too.
    """
    plane.serve(snapshot(1))
    plane.reactor.turn(FIRST_SPARE_DELAY)
    one, other, spare = plane.reactor.running
    for number, process in enumerate((one, other, one)):
        assert one.suspended == []
        process.link.note("redirected", ("app", "10.0.0.9", b"client", b"/", time.time() + number, True, False))
        plane.reactor.turn()
    assert one.suspended == other.suspended == spare.suspended == [("app", "10.0.0.9")]
    one.end()
    plane.reactor.turn(3)
    assert [process.suspended for process in plane.reactor.running[:2]] == [[("app", "10.0.0.9")]] * 2
    plane.reactor.running[0].end()
    plane.reactor.turn(3)
    late = plane.reactor.running[1]
    assert late not in (one, other, spare)
    assert late.suspended == [("app", "10.0.0.9")]


def test_a_silent_worker_is_replaced(plane: Plane) -> None:
    """
    Missed beats end it; as long as it answers them it stays, however long a call of it takes.
    """
    plane.serve(snapshot(1))
    hung, busy = plane.reactor.running[:2]
    busy.answers["drain"] = Deferred()
    hung.answers["beat"] = Deferred()
    plane.reactor.turn(SILENT + 1)
    assert not hung.alive
    assert busy.alive
    assert plane.serving == [1, 1]


def test_a_supervisor_that_slept_blames_nobody(plane: Plane) -> None:
    """
    A laptop's lid, a paused machine: silence of all is not the workers'.
    """
    plane.serve(snapshot(1))
    plane.reactor.turn(FIRST_SPARE_DELAY)
    before = plane.reactor.running
    late: Deferred[None] = Deferred()
    for process in before:
        process.answers["beat"] = late
    plane.reactor.turn(0.3)
    plane.reactor.advance(3600)
    late.callback(None)
    plane.reactor.turn(2)
    assert plane.reactor.running == before


def test_a_process_that_never_begins_is_given_up(scripted: ScriptedReactor) -> None:
    """
    It has a time limit too; the others serve meanwhile.
    """
    plane = Plane(scripted)
    first = scripted.processes[0]
    first.answers["begin"] = Deferred()
    plane.serve(snapshot(1), START_LIMIT + 5)
    assert not first.alive
    assert plane.serving == [1, 1]
    plane.done(plane.supervisor.close(), 10)


def test_crash_loops_rest_and_show(plane: Plane) -> None:
    """
    After three quick ends in a row the next process waits, twice as long each time; the status says so, and it ends by
    itself when a process lives.
    """
    plane.serve(snapshot(1))
    plane.reactor.turn(FIRST_SPARE_DELAY)
    plane.reactor.answers["begin"] = ValueError("no")
    spare = plane.reactor.running[-1]
    spare.end()
    plane.reactor.running[0].end()
    plane.reactor.turn(0.2, 0.05)
    reports = plane.done(plane.supervisor.report())
    assert sorted(report.generation for report in reports) == [0, 1]
    assert [finding.code for finding in plane.supervisor.findings()] == ["worker-crash-loop"]
    started = len(plane.reactor.processes)
    plane.reactor.turn(20)
    assert len(plane.reactor.processes) - started <= 6
    plane.serve(snapshot(2))
    assert plane.serving == [2]
    plane.reactor.answers.clear()
    plane.reactor.turn(40)
    assert plane.serving == [2, 2]
    assert plane.supervisor.findings() == ()


def test_a_process_that_cannot_be_started_is_tried_again(plane: Plane) -> None:
    """
    The system may be out of processes for a while.
    """
    plane.serve(snapshot(1))
    plane.reactor.refuse = OSError(11, "Resource temporarily unavailable")
    plane.reactor.running[0].end()
    plane.reactor.turn(1)
    assert plane.serving == [1]
    plane.reactor.refuse = None
    plane.reactor.turn(40)
    assert plane.serving == [1, 1]


def test_counts_never_go_back(plane: Plane) -> None:
    """
    What a worker had counted outlives it; what was only open then does not.
    """
    plane.serve(snapshot(1))
    first = plane.reactor.running[0]
    first.counters.requests["site", "GET", 200] = 5
    first.counters.connections["http"] = 3
    plane.reactor.turn(6)
    first.end()
    plane.reactor.turn()
    reports = plane.done(plane.supervisor.report())
    assert sum(report.counters.requests["site", "GET", 200] for report in reports) == 5
    assert sum(report.counters.connections["http"] for report in reports) == 0
    again = plane.done(plane.supervisor.report())
    assert sum(report.counters.requests["site", "GET", 200] for report in again) == 5


def test_only_new_certificates_travel(plane: Plane) -> None:
    """
    A change of one among many sends that one; a new worker gets all.
    """
    many = [certificate(f"c{number}") for number in range(50)]
    plane.serve(snapshot(1, *many))
    one = plane.reactor.running[0]
    plane.serve(snapshot(2, *many[1:], certificate("new")))
    plane.serve(snapshot(3, *many[1:]))
    assert [len(each) for each in one.certificates] == [50, 1, 0]
    one.end()
    plane.reactor.turn()
    assert [len(each) for each in plane.reactor.running[-1].certificates] == [49]


def test_an_aborted_snapshot_closes_what_was_opened_for_it(plane: Plane) -> None:
    """
    Sockets that serve stay; what is served can be prepared any number of times.
    """
    plane.serve(snapshot(1))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        prepared = plane.done(plane.supervisor.prepare(snapshot(2)))
        plane.done(prepared.abort())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert plane.serving == [1, 1]


def test_draining_workers_are_not_replaced(plane: Plane) -> None:
    """
    A drain asks each with the time that it has, and is over when all are, or are gone.
    """
    plane.serve(snapshot(1))
    one, other = plane.reactor.running[:2]
    finished: Deferred[None] = Deferred()
    one.answers["drain"] = finished
    draining = Deferred.fromCoroutine(plane.supervisor.drain(5))
    plane.reactor.turn()
    other.end()
    plane.reactor.turn(1)
    assert not draining.called
    finished.callback(None)
    plane.reactor.turn()
    assert draining.called
    assert plane.serving == [1]


def test_workers_that_do_not_end_are_killed(plane: Plane) -> None:
    """
    The end of the gate does not depend on them.
    """
    plane.serve(snapshot(1))
    plane.reactor.running[0].answers["end"] = Deferred()
    plane.done(plane.supervisor.close(), 10)
    assert plane.reactor.running == []
