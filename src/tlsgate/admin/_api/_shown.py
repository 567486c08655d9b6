"""
Objects as the API shows them, where they are not entries of the settings document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...certificates import Users, inspect
from ...settings import Generation
from ...sites import ServerCertificate, Snapshot
from .._audit import rfc3339
from .._operations import Call
from .._problem import to_json
from .._tokens import Token

__all__ = ["certificates_content", "object_content", "shown_certificate", "shown_token", "source_of"]


def shown_certificate(
    call: Call, certificate: ServerCertificate, source: str, snapshot: Snapshot, users: Users | None = None
) -> dict[str, Any]:
    """
    A certificate object, CONTRACT section 4; never its key.

    @param snapshot: what is or will be served, for C{used_by}.
    @param users: its own, where many certificates are shown.
    """
    users = users or Users.of(snapshot)
    inspection = inspect(certificate, now=call.control.wall(), used_by=users.of_certificate(certificate), source=source)
    return inspection.as_json()


def source_of(generation: Generation, name: str) -> str:
    """
    Where a certificate came from; those that no generation keeps come from files.
    """
    stored = generation.certificates.get(name)
    return "files" if stored is None else stored.source


async def certificates_content(call: Call) -> bytes:
    """
    All certificates that are served or kept, by name, as JSON.  Made in a thread and one by one: to look at thousands
    takes seconds for the first time, and connections are served meanwhile.
    """
    changes = call.control.changes
    current, snapshot = changes.current, changes.snapshot

    def encode() -> bytes:
        found = {name: stored.certificate for name, stored in current.certificates.items()}
        found.update(snapshot.certificates)
        users = Users.of(snapshot)
        rows = [
            to_json(shown_certificate(call, certificate, source_of(current, name), snapshot, users)).rstrip()
            for name, certificate in sorted(found.items())
        ]
        return b"[" + b",".join(rows) + b"]"

    content: bytes = await changes.in_thread(encode)
    return content


def object_content(members: Mapping[str, bytes]) -> bytes:
    """
    A JSON object of members that are encoded already.
    """
    return b"{" + b",".join(b'"%b":%b' % (name.encode("ascii"), value) for name, value in members.items()) + b"}\n"


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
