"""
Processes that do as a test says, at the end of real links: only the operating system is made up.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tlsgate.counters import Counters
from tlsgate.interfaces import WorkerReport
from tlsgate.listeners import ListeningSocket
from tlsgate.sites import Binding, Scheme, ServerCertificate, Snapshot
from tlsgate.workers import Setup, Supervisor
from tlsgate.workers._link import Link


class Wire:
    """
    One direction between two links: what is written arrives on the next turn, cut as the test likes.
    """

    def __init__(self, far: Callable[[], Any], later: Callable[[Callable[[], None]], Any], size: int = 1 << 20) -> None:
        self.far = far
        self.later = later
        self.size = size
        self.open = True
        self.closing = False
        self.producer: Any = None
        self.sent = 0
        self._bytes = bytearray()
        self._descriptors: deque[int] = deque()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def sendFileDescriptor(self, descriptor: int) -> None:
        self._descriptors.append(os.dup(descriptor))

    def writeSequence(self, pieces: Sequence[bytes]) -> None:
        self._bytes += b"".join(pieces)
        self.sent += sum(map(len, pieces))
        self.later(self.deliver)

    def deliver(self) -> None:
        while self._bytes and self.open:
            piece = bytes(self._bytes[: self.size])
            del self._bytes[: len(piece)]
            while self._descriptors:
                self.far().fileDescriptorReceived(self._descriptors.popleft())
            self.far().dataReceived(piece)
        if self.closing:
            self.lose()

    def loseConnection(self) -> None:
        self.closing = True
        self.later(self.deliver)

    abortConnection = loseConnection

    def lose(self) -> None:
        if self.open:
            self.open = False
            while self._descriptors:
                os.close(self._descriptors.popleft())
            self.far().connectionLost(Failure(ConnectionError("lost")))


def wired(one: Link, other: Link, later: Callable[[Callable[[], None]], Any], size: int = 1 << 20) -> tuple[Wire, Wire]:
    """
    Connect two links.
    """
    to_other, to_one = Wire(lambda: other, later, size), Wire(lambda: one, later, size)
    one.makeConnection(to_other)
    other.makeConnection(to_one)
    return to_other, to_one


class Process:
    """
    A process as the test scripts it.

    @ivar asked: verbs in the order they came, beats left out.
    @ivar told: what it was told of the others.
    @ivar suspended: site and peer whose redirects it was told to be loops.
    @ivar answers: verb to what is answered: a value, an exception, or a Deferred.
    """

    def __init__(self, reactor: ScriptedReactor, protocol: Any, pid: int) -> None:
        self.pid = pid
        self.reactor = reactor
        self.protocol = protocol
        self.asked: list[str] = []
        self.certificates: list[set[str]] = []
        self.snapshots: dict[int, Snapshot] = {}
        self.served: Snapshot | None = None
        self.challenges: Any = None
        self.suspended: list[tuple[str, str]] = []
        self.told: list[tuple[str, Any]] = []
        self.alive = True
        self.answers: dict[str, Any] = dict(reactor.answers)
        self.counters = Counters()
        verbs = (
            "begin",
            "prepare",
            "commit",
            "abort",
            "report",
            "challenges",
            "beat",
            "reopen",
            "drain",
            "end",
            "suspend",
            "release",
            "connected",
            "server",
            "check",
            "log_level",
        )
        self.link = Link({verb: self._verb(verb) for verb in verbs}, lambda: None)

    def _verb(self, verb: str) -> Callable[[Any, Sequence[int]], Any]:
        def asked(argument: Any, descriptors: Sequence[int]) -> Any:
            for descriptor in descriptors:
                os.close(descriptor)
            if verb != "beat":
                self.asked.append(verb)
            if verb in self.answers:
                answer = self.answers[verb]
                if isinstance(answer, Exception):
                    raise answer
                return answer
            return getattr(self, f"_{verb}", lambda _: None)(argument)

        return asked

    def _prepare(self, wanted: tuple[Any, ...]) -> None:
        token, bare, _, fresh, _ = wanted
        self.certificates.append(set(fresh))
        self.snapshots[token] = bare

    def _commit(self, token: int) -> None:
        self.served = self.snapshots.pop(token)

    def _connected(self, said: Any) -> None:
        self.told.append(("connected", said))

    def _server(self, said: Any) -> None:
        self.told.append(("server", said))

    def _check(self, said: Any) -> None:
        self.told.append(("check", said))

    def _suspend(self, rows: Any) -> None:
        self.suspended = [(row["site"], row["peer"]) for row in rows]

    def _challenges(self, challenges: Any) -> None:
        self.challenges = challenges

    def _report(self, _: object) -> WorkerReport:
        generation = 0 if self.served is None else self.served.generation
        return WorkerReport(pid=self.pid, generation=generation, counters=self.counters, memory=1)

    def _end(self, _: object) -> None:
        self.reactor.callLater(0, self.end)

    def signalProcess(self, name: str) -> None:
        if not self.alive:
            raise ProcessExitedAlready
        self.reactor.callLater(0, self.end)

    def end(self) -> None:
        """
        It is gone.
        """
        if self.alive:
            self.alive = False
            self.wire.lose()
            reason = Failure(ProcessTerminated(9))
            self.protocol.processExited(reason)
            self.protocol.processEnded(reason)

    wire: Wire


class ScriptedReactor(Clock):
    """
    Starts L{Process}es.

    @ivar answers: what every process started from now on answers.
    @ivar refuse: raised instead of starting one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self.answers: dict[str, Any] = {}
        self.refuse: OSError | None = None

    def spawnProcess(self, protocol: Any, *arguments: Any, **named: Any) -> Process:
        if self.refuse is not None:
            raise self.refuse
        process = Process(self, protocol, 10_000_000 + len(self.processes))
        self.processes.append(process)
        return process

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        process = self.processes[-1]
        _, process.wire = wired(factory.buildProtocol(None), process.link, lambda call: self.callLater(0, call))

    @property
    def running(self) -> list[Process]:
        return [process for process in self.processes if process.alive]

    def turn(self, seconds: float = 0.0, step: float = 0.25) -> None:
        """
        Let time pass in small steps, and everything that is due happen.
        """
        end = self.seconds() + seconds
        while True:
            for _ in range(30):
                self.advance(0)
            if self.seconds() >= end:
                return
            self.advance(min(step, end - self.seconds()))


def certificate(name: str) -> ServerCertificate:
    """
    One that only looks like it.
    """
    return ServerCertificate(
        name=name,
        chain=name.encode() * 100,
        key=b"key of " + name.encode(),
        names=(f"{name}.test",),
        not_before=0.0,
        not_after=1e10,
        key_type="ec-p256",
        fingerprint=name,
    )


def snapshot(
    generation: int, *certificates: ServerCertificate, endpoint: str = "tcp:0:interface=127.0.0.1"
) -> Snapshot:
    """
    A snapshot with one binding.
    """
    return Snapshot(
        generation=generation,
        bindings=(Binding(name="http", scheme=Scheme.HTTP, endpoint=endpoint),),
        certificates={each.name: each for each in certificates},
    )


class Plane:
    """
    A supervisor on a scripted reactor, and what its coroutines came to.
    """

    def __init__(self, reactor: ScriptedReactor, workers: int = 2, begin: Callable[[], None] | None = None) -> None:
        """
        @param begin: what makes the socket listen, if it is only bound.
        """
        self.reactor = reactor
        # Twisted binds sockets with a reactor that has them: here the kernel's are enough.
        self.supervisor = Supervisor(reactor, Setup(identity="test"), _sockets(begin), workers=workers)
        self.supervisor.start()

    def done(self, coroutine: Any, seconds: float = 0.0) -> Any:
        """
        What a coroutine returns, or raises, within a time.
        """
        outcomes: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(outcomes.append)
        self.reactor.turn(seconds)
        assert outcomes, "it still waits"
        if isinstance(outcomes[0], Failure):
            outcomes[0].raiseException()
        return outcomes[0]

    def serve(self, wanted: Snapshot, seconds: float = 0.0) -> None:
        """
        Prepare and commit.
        """
        prepared = self.done(self.supervisor.prepare(wanted), seconds)
        self.done(prepared.commit(), seconds)

    @property
    def serving(self) -> list[int]:
        """
        The generations that running workers serve; the spare serves none.
        """
        return [process.served.generation for process in self.reactor.running if process.served is not None]


def _sockets(begin: Callable[[], None] | None) -> list[Any]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return [ListeningSocket(listening, "tcp:0:interface=127.0.0.1", begin=begin)]
