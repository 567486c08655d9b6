"""
The supervisor: a data plane made of worker processes.

A snapshot is served in two steps: every worker prepares it, then every worker commits it.  A process that ends, or that is
silent for too long, gives its place to another, which gets what is to be served then; a change waits for it.  One spare
process stands by with everything imported, so that a place is not empty for longer than a snapshot takes to build.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList, TimeoutError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..interfaces import ApplyFailed, IDataPlane, IPreparedSnapshot, WorkerReport
from ..listeners import ListeningSocket, open_in_place_of
from ..problems import Finding, Severity
from ..sites import ServerCertificate, Snapshot
from ._child import Child, Request
from ._heartbeat import BEAT
from ._link import CallFailed, LinkLost
from ._local import Setup
from ._sharing import Sharing
from ._slot import Slot
from ._sockets import Sockets

__all__ = ["Supervisor"]

#: Seconds that a process has to start.
START_LIMIT: Final = 30.0

#: Seconds until all workers must serve what was committed, replacements included.
COMMIT_LIMIT: Final = 15.0

#: Seconds that a worker has to report; one that is late is reported as it was before.
REPORT_LIMIT: Final = 2.0

#: Beats between two looks at the counters: what a worker counted after the last is lost if it is killed.
BEATS_PER_REPORT: Final = 20

#: Seconds until another spare is started, so that it takes no time from the worker that needed the last.
SPARE_DELAY: Final = 1.0

#: Seconds that a worker has to end after it was told to.
END_LIMIT: Final = 3.0

_log = Logger()

_Challenges = tuple[Mapping[bytes, bytes], Mapping[str, ServerCertificate]]


@implementer(IDataPlane)
class Supervisor:
    """
    Serves with worker processes.

    @ivar generation: of the snapshot that all workers serve; 0 before the first.
    @ivar workers: how many there are.
    """

    def __init__(
        self,
        reactor: Any,
        setup: Setup,
        inherited: Iterable[ListeningSocket] = (),
        *,
        workers: int,
        start_child: Callable[..., Child] = Child,
    ) -> None:
        """
        @param inherited: sockets that were bound before.
        @param start_child: starts a process; as L{Child}.
        """
        self.generation = 0
        self.workers = workers
        self._reactor = reactor
        self._setup = setup
        self._start_child = start_child
        self._sharing = Sharing(self._children)
        self._sockets = Sockets(inherited, partial(open_in_place_of, reactor))
        self._slots = [Slot() for _ in range(workers)]
        self._spare: Child | None = None
        self._spare_call: IDelayedCall | None = None
        # What a worker is to serve.  Compared by identity.
        self._target: Snapshot | None = None
        self._target_sockets: Mapping[str, ListeningSocket] = {}
        self._challenges: _Challenges = ({}, {})
        self._settling: set[Child] = set()
        self._token = 0
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []
        self._log_level = "info"
        self._stopping = False
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = reactor
        self._ticked_at = 0.0
        self._beats = 0

    def __repr__(self) -> str:
        return f"<Supervisor of {self.workers} workers serving generation {self.generation}>"

    def start(self) -> None:
        """
        Start the processes; they are ready for a snapshot when C{prepare} says so.
        """
        self._ticked_at = self._reactor.seconds()
        self._ticking.start(BEAT, now=False).addErrback(
            lambda failure: _log.failure("The workers are not looked after any more", failure)
        )
        for slot in self._slots:
            self._fill(slot)

    # IDataPlane

    async def prepare(self, snapshot: Snapshot) -> IPreparedSnapshot:
        """
        As L{IDataPlane.prepare}.
        """
        await self._until(
            lambda: all(slot.resting is not None or self._is_settled(slot.child) for slot in self._slots), START_LIMIT
        )
        children = [slot.child for slot in self._slots if slot.child is not None and self._is_settled(slot.child)]
        if not children:
            raise ApplyFailed("worker-unresponsive", "workers", "No worker process runs; the log has the reason.")
        sockets, opened = await self._sockets.find(snapshot.bindings)
        prepared = _PreparedByAll(self, self.request(snapshot, sockets), children, sockets, opened)
        try:
            await prepared.build()
        except BaseException:
            await prepared.abort()
            raise
        return prepared

    async def report(self) -> tuple[WorkerReport, ...]:
        """
        As L{IDataPlane.report}.  A place that is empty has no process number and serves generation 0.
        """
        await _together(self._ask_report(slot.child) for slot in self._slots if slot.child is not None)
        return tuple(slot.report() for slot in self._slots)

    async def _ask_report(self, child: Child) -> None:
        if not child.up:
            return
        answer = child.link.call("report")
        answer.addTimeout(REPORT_LIMIT, self._reactor)
        try:
            child.report = await answer
        except (TimeoutError, LinkLost, CallFailed, ApplyFailed):
            pass

    async def publish_challenges(
        self, http_01: Mapping[bytes, bytes], tls_alpn_01: Mapping[str, ServerCertificate]
    ) -> None:
        """
        As L{IDataPlane.publish_challenges}.
        """
        self._challenges = dict(http_01), dict(tls_alpn_01)
        self._settle_all()
        await self._until(self._all_settled, COMMIT_LIMIT)

    def challenges(self) -> Mapping[bytes, bytes]:
        """
        As L{IDataPlane.challenges}.
        """
        return self._challenges[0]

    def ports(self) -> Mapping[str, int]:
        """
        As L{IDataPlane.ports}.
        """
        return {name: listening.port for name, listening in self._sockets.by_binding.items()}

    async def drain(self, timeout: float) -> None:
        """
        As L{IDataPlane.drain}.  A worker that ends meanwhile is not replaced.
        """
        self._stop()
        await _together(child.ask("drain", timeout, timeout + END_LIMIT) for child in self._children() if child.up)

    # What a service needs besides.

    def findings(self) -> tuple[Finding, ...]:
        """
        What is to be said about the workers.
        """
        resting = [slot for slot in self._slots if slot.resting is not None]
        if not resting:
            return ()
        return (
            Finding(
                "worker-crash-loop",
                Severity.ERROR,
                f"{len(resting)} of {self.workers} workers end as soon as they start and are tried again ever more "
                "rarely; the log has the reason.",
            ),
        )

    def reopen_logs(self) -> None:
        """
        Let every worker open its access log anew.
        """
        for child in self._children():
            child.link.note("reopen")

    def set_log_level(self, level: str) -> None:
        """
        Let workers send what is this severe, C{debug} to C{error}, and no less.
        """
        self._log_level = level
        for child in self._children():
            child.link.note("log_level", level)

    def freeze(self) -> None:
        """
        What start-up made lives as long as the process; workers see to themselves.
        """
        gc.collect()
        gc.freeze()

    async def close(self) -> None:
        """
        End the workers.
        """
        self._stop()
        if self._ticking.running:
            self._ticking.stop()
        children = self._children()
        await _together(self._end(child) for child in children)
        self._sockets.close()

    async def _end(self, child: Child) -> None:
        child.farewell = True
        try:
            await child.ask("end", limit=END_LIMIT)
        except (ApplyFailed, CallFailed, LinkLost):
            child.kill()
        overdue = self._reactor.callLater(END_LIMIT, child.kill)
        await child.exited
        if overdue.active():
            overdue.cancel()

    def _stop(self) -> None:
        self._stopping = True
        for slot in self._slots:
            if slot.resting is not None:
                slot.resting.cancel()
                slot.resting = None
        if self._spare_call is not None:
            self._spare_call.cancel()
            self._spare_call = None

    # What _PreparedByAll needs.

    def request(self, snapshot: Snapshot, sockets: Mapping[str, ListeningSocket]) -> Request:
        """
        A snapshot for the workers.
        """
        self._token += 1
        return Request(self._token, snapshot, sockets)

    def give_up(self, opened: Iterable[ListeningSocket]) -> None:
        """
        Close sockets that were opened for what is not served.
        """
        self._sockets.give_up(opened)

    async def serve(self, prepared: _PreparedByAll) -> None:
        """
        Make a prepared snapshot the one to serve, and wait until every worker does.

        @raise ApplyFailed: not all do in time.
        """
        resting = {id(slot) for slot in self._slots if slot.resting is not None}
        request = prepared.request
        self._target, self._target_sockets = request.snapshot, prepared.sockets
        self._settling.update(prepared.children)
        await _together(self._commit_on(child, request) for child in prepared.children)
        self._settle_all()
        concerned = [slot for slot in self._slots if id(slot) not in resting]
        await self._until(
            lambda: all(slot.resting is not None or self._is_settled(slot.child) for slot in concerned), COMMIT_LIMIT
        )
        if not all(self._is_settled(slot.child) for slot in concerned):
            raise ApplyFailed(
                "worker-unresponsive",
                "workers",
                "Not every worker serves the change in time; the log has the reason.",
            )
        self.generation = request.snapshot.generation
        self._sockets.keep_only(prepared.sockets)
        self._sharing.keep_only(request.snapshot)
        self._appoint()
        for slot in self._slots:
            if slot.resting is not None:
                # What was served may have been the reason.
                slot.resting.reset(0)

    async def _commit_on(self, child: Child, request: Request) -> None:
        try:
            await child.commit(request)
        except (ApplyFailed, CallFailed, LinkLost) as reason:
            # What it serves is not known now; the next one will serve what it should.
            _log.warn("Worker {pid} did not commit: {reason!r}", pid=child.pid, reason=reason)
            child.kill()
        finally:
            self._settling.discard(child)

    # Places and processes.

    def _children(self) -> list[Child]:
        children = [slot.child for slot in self._slots if slot.child is not None]
        return [*children, self._spare] if self._spare is not None else children

    def _fill(self, slot: Slot) -> None:
        """
        Put a process into an empty place.
        """
        slot.resting = None
        slot.placed_at = self._reactor.seconds()
        child, self._spare = self._spare, None
        try:
            slot.child = child or self._start_process()
        except OSError as reason:
            _log.error("A worker cannot be started: {reason}", reason=reason)
            self._empty(slot)
            return
        self._settle(slot.child)
        self._want_spare(SPARE_DELAY)

    def _start_process(self) -> Child:
        """
        @raise OSError: it cannot be started.
        """
        child = self._start_child(self._reactor, self._setup, self._gone, self._sharing.verbs)
        child.link.note("log_level", self._log_level)
        return child

    def _want_spare(self, delay: float) -> None:
        if self._spare_call is None and not self._stopping:
            self._spare_call = self._reactor.callLater(delay, self._start_spare)

    def _start_spare(self) -> None:
        self._spare_call = None
        if self._spare is not None:
            return
        if not self._all_settled():
            self._want_spare(SPARE_DELAY)
            return
        try:
            self._spare = self._start_process()
        except OSError as reason:
            _log.warn("A spare worker cannot be started: {reason}", reason=reason)
            self._want_spare(START_LIMIT)

    def _gone(self, child: Child) -> None:
        """
        A process has ended.
        """
        if child is self._spare:
            self._spare = None
            self._want_spare(START_LIMIT)
        for slot in self._slots:
            if slot.child is child:
                self._empty(slot)
        self._sharing.forget(child)
        self._check()

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

    def _is_settled(self, child: Child | None) -> bool:
        """
        Does it serve what it should?
        """
        return (
            child is not None
            and child.alive
            and child.up
            and child not in self._settling
            and child.served is self._target
            and child.challenges is self._challenges
        )

    def _all_settled(self) -> bool:
        return all(slot.resting is not None or self._is_settled(slot.child) for slot in self._slots)

    def _settle_all(self) -> None:
        for slot in self._slots:
            if slot.child is not None:
                self._settle(slot.child)
        self._check()

    def _settle(self, child: Child) -> None:
        """
        Bring a process to where it serves what it should.
        """
        if child not in self._settling and not self._is_settled(child):
            self._settling.add(child)
            settling = Deferred.fromCoroutine(self._bring_up(child))
            settling.addErrback(lambda failure: self._could_not_settle(child, failure))
            settling.addBoth(lambda _: self._settled(child))

    async def _bring_up(self, child: Child) -> None:
        await child.begun
        while child.alive and child.up:
            target, challenges = self._target, self._challenges
            if child.challenges is not challenges:
                await child.ask("challenges", challenges)
                child.challenges = challenges
            elif child.served is not target and target is not None:
                request = self.request(target, self._target_sockets)
                await child.prepare(request)
                await child.commit(request)
            else:
                self._sharing.welcome(child)
                return

    def _could_not_settle(self, child: Child, failure: Failure) -> None:
        if not isinstance(failure.value, LinkLost):
            _log.error("Worker {pid} cannot serve: {reason}", pid=child.pid, reason=failure.getErrorMessage())
        child.kill()

    def _settled(self, child: Child) -> None:
        self._settling.discard(child)
        self._appoint()
        self._check()

    def _appoint(self) -> None:
        children = [slot.child for slot in self._slots if slot.child is not None]
        self._sharing.appoint(child for child in children if child.alive and child.served is not None)

    # Waiting.

    async def _until(self, reached: Callable[[], bool], limit: float) -> None:
        """
        Wait until something is so, or for C{limit} seconds.
        """
        if reached():
            return
        waiting: Deferred[None] = Deferred()
        entry = (reached, waiting)
        self._waiting.append(entry)
        waiting.addTimeout(limit, self._reactor)
        try:
            await waiting
        except TimeoutError:
            self._waiting.remove(entry)

    def _check(self) -> None:
        for entry in tuple(self._waiting):
            reached, waiting = entry
            if reached() and entry in self._waiting:
                self._waiting.remove(entry)
                waiting.callback(None)

    # Looking after them.

    def _tick(self) -> None:
        now = self._reactor.seconds()
        # If this process did not run, silence says nothing about the others: their answers may wait to be read.
        away = now - self._ticked_at > 1.5 * BEAT
        self._ticked_at = now
        for child in self._children():
            if away:
                child.heartbeat.forgive(now)
            self._look_at(child, now)
        self._beats += 1
        if self._beats % BEATS_PER_REPORT == 0:
            Deferred.fromCoroutine(self.report()).addErrback(
                lambda failure: _log.failure("The workers could not report", failure)
            )

    def _look_at(self, child: Child, now: float) -> None:
        complaint = child.heartbeat.complaint(now)
        if not child.up and now - child.began_at > START_LIMIT:
            complaint = "does not start"
        if complaint:
            _log.error("Worker {pid} {complaint} and is replaced", pid=child.pid, complaint=complaint)
            child.kill()
        elif child.up:
            child.beat()


@implementer(IPreparedSnapshot)
class _PreparedByAll:
    """
    A snapshot that every worker has built.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        request: Request,
        children: list[Child],
        sockets: Mapping[str, ListeningSocket],
        opened: list[ListeningSocket],
    ) -> None:
        self.request = request
        self.children = children
        self.sockets = sockets
        self._supervisor = supervisor
        self._opened = opened

    async def build(self) -> None:
        """
        @raise ApplyFailed: a worker cannot; or none is left that could.
        """
        outcomes = await _together(child.prepare(self.request) for child in self.children)
        for outcome in outcomes:
            if isinstance(outcome, ApplyFailed):
                raise outcome
            if isinstance(outcome, Exception) and not isinstance(outcome, LinkLost):
                raise ApplyFailed("worker-unresponsive", "workers", "A worker failed; the log has the reason.")
        # The place of one that is gone is filled again; the commit waits for that.
        self.children = [
            child for child, outcome in zip(self.children, outcomes, strict=True) if not isinstance(outcome, LinkLost)
        ]

    async def commit(self) -> None:
        """
        As L{IPreparedSnapshot.commit}.
        """
        try:
            for listening in self.sockets.values():
                listening.listen()
        except ApplyFailed:
            await self.abort()
            raise
        await self._supervisor.serve(self)

    async def abort(self) -> None:
        """
        As L{IPreparedSnapshot.abort}.
        """
        await _together(child.ask("abort", self.request.token) for child in self.children)
        # Only now: a descriptor that is still on its way must not be closed.
        opened, self._opened = self._opened, []
        self._supervisor.give_up(opened)


async def _together(coroutines: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """
    Run them at once.

    @return: what each returned or raised.
    """
    outcomes = await DeferredList([Deferred.fromCoroutine(each) for each in coroutines], consumeErrors=True)
    return [value.value if isinstance(value, Failure) else value for _, value in outcomes]
