"""
What a plan depends on beside what somebody wants: what is pinned, what files hold, OCSP responses, and the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..certificates import inspect
from ..settings import Document, Generation, Pins, StoredCertificate
from ..sites import ServerCertificate, Snapshot
from ._files import ICertificateFiles
from ._plan import Plan, Wanted, plan, with_staples

__all__ = ["Planner"]


class Planner:
    """
    Plans as things are now.

    @ivar pins: what options and C{--config} hold fast.
    @ivar staples: OCSP responses, DER, by the fingerprint of the certificate.
    @ivar trusted: does a certificate chain to a root of this machine?
    """

    def __init__(
        self,
        pins: Pins,
        files: ICertificateFiles | None,
        wall: Callable[[], float],
        trusted: Callable[[ServerCertificate], bool] | None,
    ) -> None:
        """
        @param files: reads the certificates that a document names by their files.
        @param wall: Unix time.
        @param trusted: C{None} to look at the certificate.
        """
        self.pins = pins
        self.staples: Mapping[str, bytes] = {}
        self.trusted = self._inspect if trusted is None else trusted
        self._files = files
        self._wall = wall

    def plan(
        self, wanted: Wanted, *, old: Snapshot | None, before: Mapping[str, StoredCertificate], number: int
    ) -> Plan:
        """
        As L{_plan.plan}.
        """
        made = plan(
            wanted,
            effective=self.pins.apply(wanted.document),
            old=old,
            before=before,
            number=number,
            now=self._wall(),
            trusted=self.trusted,
        )
        return with_staples(made, self.staples)

    async def complete(
        self, document: Document, certificates: Mapping[str, StoredCertificate], *, before: Document | None
    ) -> dict[str, StoredCertificate]:
        """
        The certificates with those that a document names by their files; see L{ICertificateFiles.complete}.

        @raise Problem: one cannot be used.
        """
        if self._files is None:
            return dict(certificates)
        return await self._files.complete(document, certificates, before=before)

    async def complete_now(self, generation: Generation) -> dict[str, StoredCertificate]:
        """
        The certificates of a generation with what files hold now; what cannot be read stays as it is.
        """
        return await self.complete(self.pins.apply(generation.document), generation.certificates, before=None)

    def _inspect(self, certificate: ServerCertificate) -> bool:
        return inspect(certificate, now=self._wall()).trusted
