"""
Objects as the API shows them, where they are not entries of the settings document.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509

from ...certificates import inspect, known_issuers, used_by
from ...settings import Generation
from ...sites import ServerCertificate, Snapshot
from .._audit import rfc3339
from .._operations import Call
from .._tokens import Token

__all__ = ["shown_certificate", "shown_certificates", "shown_token", "source_of"]


def shown_certificate(
    call: Call,
    certificate: ServerCertificate,
    source: str,
    snapshot: Snapshot,
    known: tuple[x509.Certificate, ...] | None = None,
) -> dict[str, Any]:
    """
    A certificate object, CONTRACT section 4; never its key.

    @param snapshot: what is or will be served, for C{used_by}.
    @param known: its L{known_issuers}, where many certificates are shown.
    """
    if known is None:
        known = known_issuers(snapshot.certificates.values())
    inspection = inspect(
        certificate, now=call.control.wall(), used_by=used_by(certificate, snapshot), source=source, intermediates=known
    )
    return inspection.as_json()


def source_of(generation: Generation, name: str) -> str:
    """
    Where a certificate came from; those that no generation keeps come from files.
    """
    stored = generation.certificates.get(name)
    return "files" if stored is None else stored.source


def shown_certificates(call: Call) -> list[dict[str, Any]]:
    """
    All certificates that are served or kept, by name.
    """
    changes = call.control.changes
    found = {name: stored.certificate for name, stored in changes.current.certificates.items()}
    found.update(changes.snapshot.certificates)
    known = known_issuers(changes.snapshot.certificates.values())
    return [
        shown_certificate(call, certificate, source_of(changes.current, name), changes.snapshot, known)
        for name, certificate in sorted(found.items())
    ]


def shown_token(token: Token) -> dict[str, Any]:
    """
    A token without its secret.
    """
    return {
        "id": token.id,
        "name": token.name,
        "permissions": sorted(permission.value for permission in token.permissions),
        "expires": None if token.expires is None else rfc3339(token.expires),
        "networks": [str(network) for network in token.networks],
        "hosts": list(token.hosts),
        "created": rfc3339(token.created),
        "last_used": rfc3339(token.last_used) if token.last_used else None,
    }
