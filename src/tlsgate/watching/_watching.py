"""
The room put together: what the service starts, asks for findings, and stops.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ..certificates import inotify_notifier
from ..problems import Finding
from ._files import CertificateFiles
from ._served import ServedWatch
from ._staged import StagedSwaps
from ._stapling import Stapling, fetch_over_http
from ._states import StateWatch

if TYPE_CHECKING:
    from ..changes import Changes

__all__ = ["Watching", "make_watching"]

#: Seconds between rounds.
INTERVAL: Final = 60.0

#: Seconds after a change until what is served is looked at.
AFTER_CHANGE: Final = 0.5


@attrs.define(kw_only=True)
class Watching:
    """
    Everything that goes on while nobody asks.

    @ivar files: to be given to L{Changes}.
    """

    files: CertificateFiles
    served: ServedWatch
    staged: StagedSwaps
    stapling: Stapling
    states: StateWatch
    _clock: Any
    _loop: LoopingCall | None = None
    _second: LoopingCall | None = None
    _after: Any = None
    _changes: Changes | None = None

    _log = Logger()

    def start(self, changes: Changes) -> None:
        """
        Begin.

        @param changes: started already.
        """
        self._changes = changes
        self.files.start(changes)
        changes.subscribe(lambda _: self._changed())
        self._loop = LoopingCall(self._look)
        self._loop.clock = self._clock
        self._loop.start(INTERVAL)
        self._second = LoopingCall(self._each_second)
        self._second.clock = self._clock
        self._second.start(1.0)

    def stop(self) -> None:
        """
        End.
        """
        self.files.stop()
        for loop in (self._loop, self._second):
            if loop is not None and loop.running:
                loop.stop()
        if self._after is not None and self._after.active():
            self._after.cancel()

    def findings(self) -> Iterator[Finding]:
        """
        What there is to say now, beside what is said of the latest change.
        """
        yield from self.files.findings()
        yield from self.served.findings()
        yield from self.staged.findings()
        yield from self.stapling.findings()

    def _changed(self) -> None:
        if self._after is None or not self._after.active():
            self._after = self._clock.callLater(AFTER_CHANGE, self._look)

    def _each_second(self) -> None:
        assert self._changes is not None
        self._background(self.staged.look(self._changes), "serving staged certificates")

    def _look(self) -> None:
        assert self._changes is not None
        self.states.look(self._changes.snapshot.certificates)
        self._background(self.served.round(self._changes), "looking at what is served")
        self._background(self.stapling.round(self._changes), "fetching OCSP responses")

    def _background(self, coroutine: Coroutine[Any, Any, Any], what: str) -> None:
        running = Deferred.fromCoroutine(coroutine)
        running.addErrback(lambda failure: self._log.failure("{what} failed", failure, what=what))


def make_watching(
    reactor: Any,
    *,
    state: Path,
    publish: Callable[[str, Mapping[str, Any]], object],
    ports: Callable[[], Mapping[str, int]],
    wall: Callable[[], float],
    in_thread: Callable[..., Awaitable[Any]],
) -> Watching:
    """
    Put it together.

    @param state: the state folder.
    @param publish: called with the kind and the content of an event.
    @param ports: as L{IDataPlane.ports}.
    @param wall: Unix time.
    @param in_thread: runs what blocks.
    """
    return Watching(
        files=CertificateFiles(
            reactor, publish=publish, wall=wall, in_thread=in_thread, notifier=inotify_notifier(reactor)
        ),
        served=ServedWatch(ports=ports, in_thread=in_thread, wall=wall),
        staged=StagedSwaps(state, publish=publish, wall=wall),
        stapling=Stapling(wall=wall, fetch=fetch_over_http(reactor), in_thread=in_thread),
        states=StateWatch(publish=publish, wall=wall),
        clock=reactor,
    )
