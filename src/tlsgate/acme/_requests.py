"""
What is asked for, made whole: checked, spelled in one way, and completed from the settings.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import attrs

from ..certificates import KEY_TYPES
from ..problems import Problem
from ..settings import StoredCertificate, check_certificate_name
from ..tls import normalise
from ._order import OrderRequest

__all__ = ["MAX_NAMES", "checked", "repeated"]

#: Names of one certificate; RFC 8555 leaves it open, Let's Encrypt allows as many.
MAX_NAMES: Final = 100


def checked(request: OrderRequest, settings: Any, from_files: Collection[str]) -> OrderRequest:
    """
    A request that can be ordered.

    @param settings: the present C{[acme]} table.
    @param from_files: names of the certificates that come from files.

    @raise Problem: C{parameter-invalid} or C{in-use}.
    """
    check_certificate_name(request.name)
    names: dict[str, None] = {}
    for given in request.names:
        name = normalise(given)
        if not name or ("*" in name and request.challenge not in ("dns-01", "")):
            said = "needs the challenge dns-01" if name else "is neither a host name nor an address"
            raise Problem("parameter-invalid", f"“{given[:80]}” {said}.")
        names[name] = None
    if not 1 <= len(names) <= MAX_NAMES:
        raise Problem("parameter-invalid", f"A certificate is for 1 to {MAX_NAMES} names.")
    wild = any(name.startswith("*.") for name in names)
    key_type = request.key_type or settings.key_type
    if key_type not in KEY_TYPES:
        raise Problem("parameter-invalid", f"The key type is one of {', '.join(KEY_TYPES)}.")
    if request.name in from_files:
        raise Problem("in-use", f"The certificate {request.name!r} comes from files; choose another name.")
    return attrs.evolve(
        request,
        names=tuple(names),
        challenge=request.challenge or ("dns-01" if wild else settings.challenge),
        key_type=key_type,
        profile=request.profile or settings.profile,
        preferred_chain=request.preferred_chain or settings.preferred_chain,
    )


def repeated(name: str, stored: StoredCertificate) -> OrderRequest:
    """
    The order that made a certificate, to be made again.

    @raise Problem: C{parameter-invalid}: none did.
    """
    if stored.source != "acme":
        raise Problem("parameter-invalid", f"The certificate {name!r} was not ordered from an ACME CA.")
    details = stored.details
    return OrderRequest(
        name=name,
        names=tuple(details.get("names") or stored.certificate.names),
        challenge=details.get("challenge", ""),
        key_type=details.get("key_type", ""),
        profile=details.get("profile", ""),
        preferred_chain=details.get("preferred_chain", ""),
        renewal=True,
        replaces=stored.certificate.chain.decode("ascii"),
    )
