"""
A worker process as the supervisor sees it.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from ..interfaces import ApplyFailed, WorkerReport
from ..listeners import ListeningSocket
from ..sites import ServerCertificate, Snapshot
from ._heartbeat import Heartbeat, activity_of
from ._link import CallFailed, Link, LinkLost, adopt, packed
from ._local import Setup
from ._worker import LINK_DESCRIPTOR

__all__ = ["CALL_LIMIT", "END_LIMIT", "START_LIMIT", "Child", "Request"]

#: Seconds that a worker has to answer; one that is asked for longer is hung.
CALL_LIMIT: Final = 10.0

#: Seconds that a process has to start.
START_LIMIT: Final = 30.0

#: Seconds that a worker has to end after it was told to.
END_LIMIT: Final = 3.0

#: What a worker may know of the supervisor's environment: nothing that could be a secret.
_ENVIRONMENT: Final = frozenset({"HOME", "LANG", "PATH", "TZ", "VIRTUAL_ENV", "LOCALDOMAIN", "RES_OPTIONS"})
_PREFIXES: Final = ("PYTHON", "LC_", "LD_", "OPENSSL_", "SSL_CERT_", "COVERAGE_")

_log = Logger()


class Request:
    """
    A snapshot on its way to workers, packed once for all that need the same of it.
    """

    def __init__(self, token: int, snapshot: Snapshot, sockets: Mapping[str, ListeningSocket]) -> None:
        self.token = token
        self.snapshot = snapshot
        self._sockets = sockets
        self._bare = attrs.evolve(snapshot, certificates={})
        self._packed: dict[frozenset[str], bytes] = {}

    def descriptors(self) -> list[int]:
        """
        Those to pass with it.
        """
        return [listening.fileno() for listening in self._sockets.values()]

    def packed_for(self, known: Mapping[str, ServerCertificate]) -> bytes:
        """
        The call's content for a worker that has certificates already.
        """
        certificates = self.snapshot.certificates
        fresh = {
            name: each
            for name, each in certificates.items()
            if (had := known.get(name)) is not each and had != each  # mostly the same object: nothing to compare
        }
        key = frozenset(fresh)
        content = self._packed.get(key)
        if content is None:
            bindings = [(name, listening.description) for name, listening in self._sockets.items()]
            argument = (self.token, self._bare, tuple(certificates), fresh, bindings)
            content = self._packed[key] = packed("prepare", argument)
        return content


class Child(ProcessProtocol):
    """
    One worker process.

    @ivar pid: of the process; 0 once it is known to have ended.
    @ivar served: the snapshot it serves; C{None} before the first.
    @ivar challenges: the challenges it answers.
    @ivar began_at: when it was started, in reactor seconds.
    @ivar report: what it said last of itself.
    """

    def __init__(
        self,
        reactor: Any,
        setup: Setup,
        gone: Callable[[Child], None],
        verbs: Mapping[str, Callable[[Child, Any], None]],
    ) -> None:
        """
        Start the process.

        @param gone: called once, when the process has ended or hung up.
        @param verbs: what it may tell beside its log: called with it and with what it says.

        @raise OSError: it cannot be started.
        """
        self._reactor = reactor
        self._gone = gone
        self._ended = False
        self._certificates: Mapping[str, ServerCertificate] = {}
        self._said = b""
        self.farewell = False
        self.exited: Deferred[None] = Deferred()
        self.served: Snapshot | None = None
        self.challenges: object = None
        self.report: WorkerReport | None = None
        self.began_at = reactor.seconds()
        told = {verb: partial(self._tell, hear) for verb, hear in verbs.items()}
        self.link = Link({"log": self._log_event, **told}, self._hung_up)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs, Path(os.devnull).open("rb") as nothing:
            self._transport: Any = reactor.spawnProcess(
                self,
                sys.executable,
                [sys.executable, "-P", "-m", "tlsgate.workers"],
                env=_environment(),
                childFDs={0: nothing.fileno(), 1: 1, 2: "r", LINK_DESCRIPTOR: theirs.fileno()},
            )
        self.pid: int = self._transport.pid
        self.heartbeat = Heartbeat(lambda: activity_of(self.pid))
        adopt(reactor, self.link, ours)
        self.begun = self.link.call("begin", setup)
        self.up = False
        self.begun.addCallbacks(self._has_begun, self._could_not_begin)

    def __repr__(self) -> str:
        return f"<Child {self.pid} generation={self.generation}>"

    @property
    def generation(self) -> int:
        """
        Of what it serves; 0 before the first.
        """
        return 0 if self.served is None else self.served.generation

    @property
    def alive(self) -> bool:
        """
        Can it still be asked?
        """
        return not self._ended

    def _has_begun(self, _: object) -> None:
        self.up = True

    def _could_not_begin(self, failure: Failure) -> None:
        if isinstance(failure.value, ApplyFailed):
            _log.error("Worker {pid} cannot begin: {reason}", pid=self.pid, reason=failure.value.detail)
        self.kill()

    # Asking.

    async def prepare(self, request: Request) -> None:
        """
        Let it build what a snapshot needs.

        @raise ApplyFailed: it cannot, or is hung.
        @raise LinkLost: it is gone.
        """
        content = request.packed_for(self._certificates)
        self._certificates = request.snapshot.certificates
        await self._in_time(self.link.call_packed(content, request.descriptors()))

    async def commit(self, request: Request) -> None:
        """
        Let it serve what it has prepared.

        @raise ApplyFailed: it is hung.
        @raise LinkLost: it is gone.
        """
        await self.ask("commit", request.token)
        self.served = request.snapshot

    async def ask(self, verb: str, argument: object = None, limit: float = CALL_LIMIT) -> Any:
        """
        Any other call.

        @raise ApplyFailed: C{worker-unresponsive}: no answer in time; the process was killed.
        @raise LinkLost: it is gone.
        """
        return await self._in_time(self.link.call(verb, argument), limit)

    def _in_time(self, answer: Deferred[Any], limit: float = CALL_LIMIT) -> Deferred[Any]:
        answer.addTimeout(limit, self._reactor)
        answer.addErrback(self._too_late)
        return answer

    def _too_late(self, failure: Failure) -> None:
        failure.trap(TimeoutError)  # type: ignore[no-untyped-call]  # Twisted's own
        _log.error("Worker {pid} does not answer and is killed", pid=self.pid)
        self.kill()
        raise ApplyFailed("worker-unresponsive", f"worker {self.pid}", f"Worker {self.pid} did not answer in time.")

    async def end(self) -> None:
        """
        Let it end, or end it.
        """
        self.farewell = True
        try:
            await self.ask("end", limit=END_LIMIT)
        except (ApplyFailed, CallFailed, LinkLost):
            self.kill()
        overdue = self._reactor.callLater(END_LIMIT, self.kill)
        await self.exited
        if overdue.active():
            overdue.cancel()

    def kill(self) -> None:
        """
        End it at once.
        """
        try:
            self._transport.signalProcess("KILL")
        except ProcessExitedAlready:
            pass

    def beat(self) -> None:
        """
        Ask it whether it lives, unless it still owes an answer.
        """
        if not self.heartbeat.waiting:
            self.heartbeat.asked(self._reactor.seconds())
            self.link.call("beat").addCallbacks(lambda _: self.heartbeat.answered(), lambda _: None)

    # What it says.

    def _tell(self, hear: Callable[[Child, Any], None], said: Any, _: object) -> None:
        hear(self, said)

    def _log_event(self, said: tuple[str, str, str], _: object) -> None:
        level, namespace, text = said
        Logger(namespace=namespace).emit(
            LogLevel.lookupByName(level), "[worker {worker}] {text}", worker=self.pid, text=text
        )

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        It wrote to standard error: what went wrong before its log was ready, or with the interpreter.
        """
        *lines, self._said = (self._said + data).split(b"\n")
        # One endless line is not kept without bound.
        self._said = self._said[-64 * 1024 :]
        for line in lines:
            _log.warn("[worker {worker}] {text}", worker=self.pid, text=line.decode("utf-8", "backslashreplace"))

    # Its end.

    def _hung_up(self) -> None:
        self.kill()
        self._end()

    def processExited(self, reason: Failure) -> None:
        """
        See L{ProcessProtocol}.
        """
        if not self.farewell:
            _log.error("Worker {pid} ended: {reason}", pid=self.pid, reason=reason.getErrorMessage())

    def processEnded(self, reason: Failure) -> None:
        """
        See L{ProcessProtocol}: it is reaped.
        """
        self._end()
        self.exited.callback(None)

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._gone(self)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in _ENVIRONMENT or name.startswith(_PREFIXES)}
