"""
From what somebody wants to what would be served, with everything that is to be said about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from ..problems import Finding
from ..settings import (
    Document,
    Generation,
    Settings,
    SiteMemory,
    StoredCertificate,
    compile_snapshot,
    validate_document,
)
from ..sites import ServerCertificate, Snapshot
from ._findings import find
from ._guard import guard_use
from ._memory import remember
from ._ramp import begin

__all__ = ["Plan", "Wanted", "plan", "with_staples"]


@attrs.frozen(kw_only=True)
class Wanted:
    """
    The content of a generation.

    @ivar document: as it is to be stored, without what is pinned.
    """

    document: Document
    certificates: Mapping[str, StoredCertificate]
    memory: Mapping[str, SiteMemory]

    @classmethod
    def of(cls, generation: Generation) -> Wanted:
        """
        The content of a generation that there is.
        """
        return cls(document=generation.document, certificates=generation.certificates, memory=generation.memory)


@attrs.frozen(kw_only=True)
class Plan:
    """
    What would be served.

    @ivar wanted: what it was made from, with the memory that the change leaves.
    """

    wanted: Wanted
    settings: Settings
    snapshot: Snapshot
    findings: tuple[Finding, ...]


def plan(
    wanted: Wanted,
    *,
    effective: Document,
    old: Snapshot | None,
    before: Mapping[str, StoredCertificate],
    number: int,
    now: float,
    trusted: Callable[[ServerCertificate], bool],
) -> Plan:
    """
    Work out what a change would serve; nothing is changed.

    @param effective: C{wanted.document} with everything pinned.
    @param old: what is served, or C{None}.
    @param before: the certificates that are stored now.

    @raise Problem: C{invalid-settings}, C{in-use}.
    """
    settings = validate_document(effective)
    guard_use(settings, before, wanted.certificates)
    memory = begin(wanted.memory, settings, now)
    held = {} if old is None else old.certificates

    def compiled(memory: Mapping[str, SiteMemory], before: Mapping[str, ServerCertificate]) -> Snapshot:
        return compile_snapshot(
            settings, number=number, certificates=wanted.certificates, memory=memory, now=now, before=before
        )

    # What must be remembered shows only in a snapshot, and a snapshot shows what is remembered: hence twice.
    first = compiled(memory, held)
    memory = remember(memory, old, first, now)
    snapshot = compiled(memory, first.certificates)
    return Plan(
        wanted=attrs.evolve(wanted, memory=memory),
        settings=settings,
        snapshot=snapshot,
        findings=find(settings, snapshot, now, trusted),
    )


def with_staples(made: Plan, staples: Mapping[str, bytes]) -> Plan:
    """
    A plan whose certificates carry their OCSP responses.

    @param staples: DER, by the fingerprint of the certificate.
    """
    certificates = made.snapshot.certificates
    stapled = {
        name: attrs.evolve(certificate, staple=staples[certificate.fingerprint])
        for name, certificate in certificates.items()
        if staples.get(certificate.fingerprint, certificate.staple) != certificate.staple
    }
    if not stapled:
        return made
    return attrs.evolve(made, snapshot=attrs.evolve(made.snapshot, certificates={**certificates, **stapled}))
