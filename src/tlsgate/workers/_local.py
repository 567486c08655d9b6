"""
The data plane in the process at hand: a gate, and what it stands on.

With C{--workers 0} it serves in the twistd process; each worker has one too.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from zope.interface import implementer

from ..counters import Counters
from ..downstream import AccessLog
from ..gate import Gate, OpenSocket
from ..interfaces import IDataPlane, IPreparedSnapshot, WorkerReport
from ..listeners import ListeningSocket, address_of
from ..policy import LoopDetector
from ..problems import Finding
from ..sites import ServerCertificate, Snapshot
from ..transport import make_hub

__all__ = ["LocalPlane", "Setup"]


@attrs.frozen(kw_only=True)
class Setup:
    """
    What every data plane of a gate is told once, before the first snapshot.

    @ivar identity: the gate's name in C{Via}.
    @ivar salt: of fingerprints of credentials: equal ones are equal in all processes.  It is never stored.
    @ivar demo_path: the UNIX socket of the demo application.
    @ivar access_log: a file; a descriptor; C{None} for no log.
    @ivar access_log_format: C{combined} or C{json}.
    """

    identity: str
    salt: bytes = attrs.field(factory=lambda: os.urandom(16), repr=False)
    demo_path: str = ""
    access_log: Path | int | None = None
    access_log_format: str = "combined"


@implementer(IDataPlane)
class LocalPlane:
    """
    Serves in this process.

    @ivar gate: what serves.
    """

    #: Processes beside this one.
    workers = 0

    def __init__(
        self,
        reactor: Any,
        setup: Setup,
        inherited: Iterable[ListeningSocket] = (),
        open_socket: OpenSocket | None = None,
        tell: Callable[[str, object], None] | None = None,
    ) -> None:
        """
        @param inherited: sockets that were bound before.
        @param open_socket: as L{Gate}.
        @param tell: hears what other processes must know, as L{Gate.share} says it, and C{redirected} with each
            L{tlsgate.policy.Sighting}; C{None} where this is the only one.

        @raise OSError: the access log cannot be opened.
        """
        counters = Counters()
        self._hub = make_hub(reactor)
        self._loops = LoopDetector(tell=None if tell is None else partial(tell, "redirected"))
        self._access_log = AccessLog(setup.access_log, setup.access_log_format, reactor, counters)
        self.gate = Gate(
            self._hub,
            access_log=self._access_log,
            counters=counters,
            identity=setup.identity,
            salt=setup.salt,
            loops=self._loops,
            demo_path=setup.demo_path,
            inherited={address_of(listening.description): listening for listening in inherited},
            open_socket=open_socket,
        )
        if tell is not None:
            self.gate.share(tell)

    def start(self) -> None:
        """
        Be ready for a snapshot.
        """
        self._hub.start()

    # IDataPlane

    @property
    def generation(self) -> int:
        """
        As L{IDataPlane}.
        """
        return self.gate.generation

    async def prepare(self, snapshot: Snapshot) -> IPreparedSnapshot:
        """
        As L{IDataPlane.prepare}.
        """
        return await self.gate.prepare(snapshot)

    async def report(self) -> tuple[WorkerReport, ...]:
        """
        As L{IDataPlane.report}.
        """
        return await self.gate.report()

    async def publish_challenges(
        self, http_01: Mapping[bytes, bytes], tls_alpn_01: Mapping[str, ServerCertificate]
    ) -> None:
        """
        As L{IDataPlane.publish_challenges}.
        """
        await self.gate.publish_challenges(http_01, tls_alpn_01)

    def challenges(self) -> Mapping[bytes, bytes]:
        """
        As L{IDataPlane.challenges}.
        """
        return self.gate.challenges()

    def ports(self) -> Mapping[str, int]:
        """
        As L{IDataPlane.ports}.
        """
        return self.gate.ports()

    async def drain(self, timeout: float) -> None:
        """
        As L{IDataPlane.drain}.
        """
        await self.gate.drain(timeout)

    # What a service needs besides.

    def findings(self) -> tuple[Finding, ...]:
        """
        What is to be said about the processes: nothing, there are none.
        """
        return ()

    def suspend_redirects(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """
        Redirect these peers no more, for they loop; see L{LoopDetector.suspend}.
        """
        self._loops.suspend(rows)

    def reopen_logs(self) -> None:
        """
        Open the access log anew by its name.
        """
        self._access_log.reopen()

    def set_log_level(self, level: str) -> None:
        """
        Nothing: what this process says goes through its own log.
        """

    def freeze(self) -> None:
        """
        What start-up made lives as long as the process: no collection needs to look at it again.
        """
        gc.collect()
        gc.freeze()

    async def close(self) -> None:
        """
        Close every connection and write what the log holds.
        """
        self.gate.close()
        self._hub.stop()
        self._access_log.close()
