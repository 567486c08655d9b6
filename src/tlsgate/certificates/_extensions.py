"""
What a certificate's extensions say, as far as they can be read; odd ones are as good as absent.
"""

from __future__ import annotations

from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..tls import normalise
from ._material import ODD

__all__ = ["authority_urls", "is_authority", "names_of", "serves_tls", "signs"]

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *ODD):
        return None


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """
    The DNS names and addresses that a certificate is for, each once, in their one spelling and in its order.  Names
    that no client could ask for (NUL, spaces, a lone C{*}) are left out.
    """
    extension = _extension(certificate, x509.SubjectAlternativeName)
    if extension is None:
        return ()
    found: dict[str, None] = {}
    for general in extension:
        if isinstance(general, x509.DNSName):
            name = normalise(general.value)
        elif isinstance(general, x509.IPAddress):
            name = normalise(str(general.value))
        else:
            continue
        if name:
            found[name] = None
    return tuple(found)


def is_authority(certificate: x509.Certificate) -> bool:
    """
    May it issue others?
    """
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def serves_tls(certificate: x509.Certificate) -> bool:
    """
    Does its extended key usage allow a TLS server (RFC 5280 §4.2.1.12)?  Without one, everything is allowed.
    """
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage is None:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def signs(certificate: x509.Certificate) -> bool:
    """
    Does its key usage allow the signature of a handshake (RFC 5280 §4.2.1.3)?
    """
    usage = _extension(certificate, x509.KeyUsage)
    return usage is None or usage.digital_signature


def authority_urls(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> tuple[str, ...]:
    """
    Where its authority can be asked: for its own certificate, or by OCSP (RFC 5280 §4.2.2.1).
    """
    access = _extension(certificate, x509.AuthorityInformationAccess)
    if access is None:
        return ()
    return tuple(
        one.access_location.value
        for one in access
        if one.access_method == method and isinstance(one.access_location, x509.UniformResourceIdentifier)
    )
