"""
A worker process: a data plane that does what the supervisor says over the link, and ends with it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    globalLogBeginner,
)
from zope.interface import provider

from ..interfaces import ApplyFailed, IPreparedSnapshot, WorkerReport
from ..listeners import ListeningSocket
from ..sites import ServerCertificate
from ..transport import count_steadily
from ._limits import forbid_core_dumps, raise_descriptor_limit
from ._link import Link, adopt
from ._local import LocalPlane, Setup

__all__ = ["LINK_DESCRIPTOR", "Worker", "run"]

#: The descriptor on which a worker finds its end of the link.
LINK_DESCRIPTOR: Final = 3

#: Seconds that a worker has to end in order once the supervisor is gone.
GRACE: Final = 2.0

#: The supervisor speaks for all processes: a signal to the whole group must not end a worker before its exchanges.
_IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

_log = Logger()


class Worker:
    """
    What the supervisor can ask of a worker.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._plane: LocalPlane | None = None
        self._prepared: dict[int, IPreparedSnapshot] = {}
        self._certificates: dict[str, ServerCertificate] = {}
        self._passed: dict[str, ListeningSocket] = {}
        self._frozen = False
        self._logged = LogLevelFilterPredicate(LogLevel.info)
        self.link = Link(
            {
                "begin": self._begin,
                "prepare": self._prepare,
                "commit": self._commit,
                "abort": self._abort,
                "report": self._report,
                "challenges": self._publish_challenges,
                "suspend": self._suspend_redirects,
                "release": lambda *_: self._serving().gate.release(),
                "connected": lambda said, _: self._serving().gate.hear_connected(*said),
                "server": lambda said, _: self._serving().gate.hear_server(*said),
                "check": lambda checks, _: self._serving().gate.check_servers(checks),
                "beat": lambda *_: None,
                "reopen": self._reopen,
                "log_level": self._set_log_level,
                "drain": self._drain,
                "end": self._end,
            },
            lost=self._lost,
        )

    def begin_logging(self) -> None:
        """
        Let the supervisor log what this process has to say.
        """
        wanted = FilteringLogObserver(self._log_event, [self._logged])
        globalLogBeginner.beginLoggingTo([wanted], redirectStandardIO=False)

    def _serving(self) -> LocalPlane:
        if self._plane is None:
            raise ApplyFailed("worker-unresponsive", "workers", "A worker was not told to begin.")
        return self._plane

    def _begin(self, setup: Setup, _: Sequence[int]) -> None:
        try:
            self._plane = LocalPlane(self._reactor, setup, open_socket=self._take_passed, tell=self._tell)
        except OSError as reason:
            raise ApplyFailed(
                "storage-failed", "access log", f"The access log cannot be opened: {reason.strerror}."
            ) from reason
        self._plane.start()

    async def _take_passed(self, description: str, name: str, _: object) -> ListeningSocket:
        listening = self._passed.pop(name, None)
        if listening is None:
            raise ApplyFailed("worker-unresponsive", f"binding {name}", f"No socket was passed for {description}.")
        return listening

    async def _prepare(self, wanted: tuple[Any, ...], descriptors: Sequence[int]) -> None:
        """
        @param wanted: a number for what is made; the snapshot without its certificates; their names in order; those of them that
            were not in the snapshot prepared before; name and endpoint for each descriptor.
        """
        token, bare, names, fresh, bindings = wanted
        for (name, endpoint), descriptor in zip(bindings, descriptors, strict=True):
            # The supervisor lets all of them listen before it lets anybody commit.
            self._passed[name] = ListeningSocket.from_descriptor(descriptor, endpoint, listens=False)
        if fresh or len(names) != len(self._certificates):
            # Else it is the same mapping as before, and what was made of it is used again.
            known = {**self._certificates, **fresh}
            self._certificates = {name: known[name] for name in names}
        snapshot = attrs.evolve(bare, certificates=self._certificates)
        try:
            self._prepared[token] = await self._serving().prepare(snapshot)
        finally:
            # What the gate did not take it has already.
            passed, self._passed = self._passed, {}
            for listening in passed.values():
                listening.close()

    async def _commit(self, token: int, _: Sequence[int]) -> None:
        await self._prepared.pop(token).commit()
        if not self._frozen:
            self._frozen = True
            self._serving().freeze()

    async def _abort(self, token: int, _: Sequence[int]) -> None:
        prepared = self._prepared.pop(token, None)
        if prepared is not None:
            await prepared.abort()

    async def _report(self, *_: object) -> WorkerReport:
        (report,) = await self._serving().report()
        return report

    async def _publish_challenges(
        self, challenges: tuple[Mapping[bytes, bytes], Mapping[str, ServerCertificate]], _: Sequence[int]
    ) -> None:
        await self._serving().publish_challenges(*challenges)

    def _tell(self, verb: str, said: object) -> None:
        # A loop goes on, and is told of again; counts must not be lost.
        if not (self.link.full and verb == "redirected"):
            self.link.note(verb, said)

    def _suspend_redirects(self, rows: Sequence[Mapping[str, Any]], _: Sequence[int]) -> None:
        if self._plane is not None:
            self._plane.suspend_redirects(rows)

    def _reopen(self, *_: object) -> None:
        if self._plane is not None:
            self._plane.reopen_logs()

    def _set_log_level(self, level: str, _: Sequence[int]) -> None:
        self._logged.setLogLevelForNamespace("", LogLevel.levelWithName(level))

    @provider(ILogObserver)
    def _log_event(self, event: LogEvent) -> None:
        level = event.get("log_level") or LogLevel.info
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        if level is LogLevel.critical or not self.link.open:
            # Perhaps the link is what it is about.  The supervisor, if there is one, reads this too.
            if level >= LogLevel.warn:
                sys.stderr.write(f"{text}\n")
        elif not self.link.full:
            self.link.note("log", (level.name, str(event.get("log_namespace") or "tlsgate"), text))

    async def _drain(self, timeout: float, _: Sequence[int]) -> None:
        if self._plane is not None:
            await self._plane.drain(timeout)

    async def _end(self, *_: object) -> None:
        await self._close()
        # What is said before hanging up still arrives.
        self._reactor.callLater(0, self.link.close)

    def _lost(self) -> None:
        """
        The supervisor is gone, or has been told goodbye.
        """
        ending = Deferred.fromCoroutine(self._close())
        ending.addErrback(lambda failure: _log.failure("The end was not in order", failure))
        ending.addBoth(lambda _: self._reactor.stop())

    async def _close(self) -> None:
        plane, self._plane = self._plane, None
        if plane is not None:
            await plane.close()


def run(reactor: Any) -> None:
    """
    Be a worker until the supervisor is gone.
    """
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    forbid_core_dumps()
    raise_descriptor_limit()
    _end_with(os.dup(LINK_DESCRIPTOR))
    count_steadily(reactor)
    worker = Worker(reactor)
    worker.begin_logging()
    end = socket.socket(fileno=LINK_DESCRIPTOR)
    end.set_inheritable(False)
    reactor.callWhenRunning(adopt, reactor, worker.link, end)
    reactor.run(installSignalHandlers=False)


def _end_with(descriptor: int) -> None:
    """
    End the process soon after the supervisor's end of the link is closed, even if the reactor is stuck then.
    """

    def wait() -> None:
        hangup = select.poll()
        hangup.register(descriptor, 0)  # a hang-up is told always
        hangup.poll()
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=wait, name="tlsgate end", daemon=True).start()
