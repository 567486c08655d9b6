"""
The supervisor: a data plane made of worker processes.

A snapshot is served in two steps: every worker prepares it, then every worker commits it.  A process that comes into the
place of another gets what is to be served then; a change waits for it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ..interfaces import ApplyFailed, IDataPlane, IPreparedSnapshot, WorkerReport
from ..listeners import ListeningSocket, open_in_place_of
from ..problems import Finding
from ..sites import ServerCertificate, Snapshot
from ._child import END_LIMIT, START_LIMIT, Child, Request
from ._conditions import Conditions
from ._link import CallFailed, LinkLost
from ._local import Setup
from ._places import Places
from ._prepared import PreparedByAll, together
from ._sharing import Sharing
from ._sockets import Sockets

__all__ = ["Supervisor"]

#: Seconds until all workers must serve what was committed, replacements included.
COMMIT_LIMIT: Final = 15.0

#: Seconds that a worker has to report; one that is late is reported as it was before.
REPORT_LIMIT: Final = 2.0

#: Seconds between two looks at the counters: what a worker counted after the last is lost if it is killed.
REPORT_INTERVAL: Final = 5.0

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
        self._places = Places(reactor, workers, start=self._start, placed=self._settle, is_quiet=self._all_settled)
        self._sharing = Sharing(self._places.children)
        self._sockets = Sockets(inherited, partial(open_in_place_of, reactor))
        # What a worker is to serve.  Compared by identity.
        self._target: Snapshot | None = None
        self._target_sockets: Mapping[str, ListeningSocket] = {}
        self._challenges: _Challenges = ({}, {})
        self._settling: set[Child] = set()
        self._token = 0
        self._conditions = Conditions(reactor)
        self._log_level = "info"
        self._reporting = LoopingCall(self._keep_report)
        self._reporting.clock = reactor

    def __repr__(self) -> str:
        return f"<Supervisor of {self.workers} workers serving generation {self.generation}>"

    def start(self) -> None:
        """
        Start the processes; they are ready for a snapshot when C{prepare} says so.
        """
        self._places.fill()
        self._reporting.start(REPORT_INTERVAL, now=False)

    def _start(self) -> Child:
        """
        Start a process.

        @raise OSError: it cannot be started.
        """
        child = self._start_child(self._reactor, self._setup, self._gone, self._sharing.verbs)
        child.link.note("log_level", self._log_level)
        return child

    def _gone(self, child: Child) -> None:
        self._places.gone(child)
        self._sharing.forget(child)
        self._conditions.check()

    # IDataPlane

    async def prepare(self, snapshot: Snapshot) -> IPreparedSnapshot:
        """
        As L{IDataPlane.prepare}.
        """
        await self._conditions.until(self._all_settled, START_LIMIT)
        children = [child for child in self._places.placed() if self._is_settled(child)]
        if not children:
            raise ApplyFailed("worker-unresponsive", "workers", "No worker process runs; the log has the reason.")
        sockets, opened = await self._sockets.find(snapshot.bindings)
        prepared = PreparedByAll(self, self.request(snapshot, sockets), children, sockets, opened)
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
        await together(self._ask_report(child) for child in self._places.placed())
        return tuple(slot.report() for slot in self._places.slots)

    def _keep_report(self) -> None:
        Deferred.fromCoroutine(self.report()).addErrback(
            lambda failure: _log.failure("The workers could not report", failure)
        )

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
        await self._conditions.until(self._all_settled, COMMIT_LIMIT)

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
        self._places.stop()
        children = self._places.children()
        await together(child.ask("drain", timeout, timeout + END_LIMIT) for child in children if child.up)

    # What a service needs besides.

    def findings(self) -> tuple[Finding, ...]:
        """
        What is to be said about the workers.
        """
        return self._places.findings()

    def reopen_logs(self) -> None:
        """
        Let every worker open its access log anew.
        """
        for child in self._places.children():
            child.link.note("reopen")

    def set_log_level(self, level: str) -> None:
        """
        Let workers send what is this severe, C{debug} to C{error}, and no less.
        """
        self._log_level = level
        for child in self._places.children():
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
        self._places.close()
        if self._reporting.running:
            self._reporting.stop()
        await together(child.end() for child in self._places.children())
        self._sockets.close()

    # What L{PreparedByAll} needs.

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

    async def serve(self, prepared: PreparedByAll) -> None:
        """
        Make a prepared snapshot the one to serve, and wait until every worker does.

        @raise ApplyFailed: not all do in time.
        """
        resting = {id(slot) for slot in self._places.slots if slot.resting is not None}
        request = prepared.request
        self._target, self._target_sockets = request.snapshot, prepared.sockets
        self._settling.update(prepared.children)
        await together(self._commit_on(child, request) for child in prepared.children)
        self._settle_all()
        concerned = [slot for slot in self._places.slots if id(slot) not in resting]
        await self._conditions.until(
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
        for child in prepared.children:
            child.link.note("release")
        self._sharing.keep_only(request.snapshot)
        self._appoint()
        # What was served may have been the reason.
        self._places.wake()

    async def _commit_on(self, child: Child, request: Request) -> None:
        try:
            await child.commit(request)
        except (ApplyFailed, CallFailed, LinkLost) as reason:
            # What it serves is not known now; the next one will serve what it should.
            _log.warn("Worker {pid} did not commit: {reason!r}", pid=child.pid, reason=reason)
            child.kill()
        finally:
            self._settling.discard(child)

    # Bringing them to where they serve what they should.

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
        return all(slot.resting is not None or self._is_settled(slot.child) for slot in self._places.slots)

    def _settle_all(self) -> None:
        for child in self._places.placed():
            self._settle(child)
        self._conditions.check()

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
        self._conditions.check()

    def _appoint(self) -> None:
        self._sharing.appoint(child for child in self._places.placed() if child.alive and child.served is not None)
