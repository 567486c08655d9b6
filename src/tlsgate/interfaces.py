"""
What the rooms promise each other, where more than one implementation exists.

The control plane publishes immutable values into the data plane through L{IDataPlane}: in the same process with
C{--workers 0}, over the private link to each worker otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
from zope.interface import Attribute, Interface

from .counters import Counters

if TYPE_CHECKING:
    from .sites import ServerCertificate, Snapshot

__all__ = ["ApplyFailed", "IDataPlane", "IPreparedSnapshot", "WorkerReport"]


class ApplyFailed(Exception):
    """
    A snapshot cannot be served; what served goes on serving.

    @ivar code: a code of L{problems.STATUS_OF_CODE}: C{port-in-use}, C{port-forbidden}, C{worker-unresponsive}, ...
    @ivar subject: what failed, as C{binding https} or C{certificate default}.
    @ivar detail: one sentence a person can act on.
    """

    def __init__(self, code: str, subject: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.subject = subject
        self.detail = detail


@attrs.frozen(kw_only=True)
class WorkerReport:
    """
    What one data-plane process says of itself.

    @ivar pid: of its process.
    @ivar generation: the one it serves.
    @ivar memory: resident bytes.
    @ivar plain_http: rows of the plain-HTTP report (see L{policy}), merged by the supervisor.
    @ivar upstreams: upstream to server url to C{up}, C{down} or C{drain}.
    """

    pid: int
    generation: int
    counters: Counters
    memory: int = 0
    plain_http: tuple[Mapping[str, object], ...] = ()
    upstreams: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)


class IPreparedSnapshot(Interface):
    """
    A snapshot that is fully built (sockets bound, contexts made) but not yet served.  Exactly one verb is called,
    once.
    """

    async def commit() -> None:
        """
        Serve it; returns when every worker does.  Unchanged listeners, pools and connections are not touched.

        @raise ApplyFailed: a worker did not answer in time; the caller publishes the old snapshot again.
        """

    async def abort() -> None:
        """
        Give up everything that was built for it.
        """


class IDataPlane(Interface):
    """
    What serves snapshots: the gate in this process, or the supervisor's workers.  Called from the reactor thread.
    """

    generation = Attribute("The number of the generation that is served; 0 before the first.")

    async def prepare(snapshot: Snapshot) -> IPreparedSnapshot:
        """
        Build everything that a snapshot needs beside what is served now.

        @raise ApplyFailed: something of it cannot be built; nothing changed.
        """

    async def report() -> tuple[WorkerReport, ...]:
        """
        One report for each worker, in a stable order.
        """

    async def publish_challenges(http_01: Mapping[bytes, bytes], tls_alpn_01: Mapping[str, ServerCertificate]) -> None:
        """
        Answer exactly these ACME challenges from now on; returns when every worker does.

        @param http_01: token to key authorization.
        @param tls_alpn_01: server name to the certificate of RFC 8737.
        """

    def challenges() -> Mapping[bytes, bytes]:
        """
        The HTTP-01 challenges that are answered, token to key authorization.
        """

    def ports() -> Mapping[str, int]:
        """
        The port each binding listens on now, by the binding's name; 0 for one that has none (a UNIX socket).
        """

    async def drain(timeout: float) -> None:
        """
        Stop accepting, let running exchanges end, return when none is left or after C{timeout} seconds.
        """
