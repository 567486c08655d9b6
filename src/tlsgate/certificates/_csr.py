"""
Certificate requests: the key is born here and stays; the signed certificate comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ..problems import Problem
from ._issue import alternative_names
from ._keys import as_pkcs8, new_key
from ._read import ReadResult, read_certificate

__all__ = ["match_signed", "new_request"]

# RFC 4519 §2, by the names that people write.
ATTRIBUTES: Final = {
    "common_name": NameOID.COMMON_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizational_unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "state": NameOID.STATE_OR_PROVINCE_NAME,
    "country": NameOID.COUNTRY_NAME,
    "email": NameOID.EMAIL_ADDRESS,
}


def new_request(
    names: Sequence[str], *, key_type: str = "ec-p256", subject: Mapping[str, str] | None = None
) -> tuple[bytes, bytes]:
    """
    Make a key and a request for it.

    @param names: host names and addresses that the certificate is for; the first is the common name too, unless
        C{subject} has one.
    @param key_type: one of L{KEY_TYPES}.
    @param subject: C{common_name}, C{organization}, C{organizational_unit}, C{locality}, C{state}, C{country},
        C{email}; empty ones are left out, and most CAs ignore all of it.

    @return: the key (PKCS#8, PEM, not encrypted), and the request (PKCS#10, PEM).

    @raise Problem: C{parameter-invalid} or C{key-too-weak}.
    """
    alternatives = alternative_names(names)
    key = new_key(key_type)
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(names, subject or {}))
    builder = builder.add_extension(alternatives, critical=False)
    request = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return as_pkcs8(key), request.public_bytes(Encoding.PEM)


def _subject(names: Sequence[str], subject: Mapping[str, str]) -> x509.Name:
    wanted = dict(subject)
    if "common_name" not in wanted and len(names[0]) <= 64:
        wanted["common_name"] = names[0].removesuffix(".")
    attributes = []
    for attribute, value in wanted.items():
        if not value:
            continue
        oid = ATTRIBUTES.get(attribute)
        if oid is None:
            raise Problem(
                "parameter-invalid", f"A subject has no “{attribute[:40]}”; it may have {', '.join(ATTRIBUTES)}."
            )
        try:
            attributes.append(x509.NameAttribute(oid, value))
        except ValueError as error:
            raise Problem("parameter-invalid", f"The subject's {attribute} is not possible: {error}.") from error
    return x509.Name(attributes)


def match_signed(
    key: bytes,
    certificate: Sequence[bytes],
    *,
    name: str,
    now: float,
    intermediates: Sequence[x509.Certificate] = (),
) -> ReadResult:
    """
    Take the certificate that a CA made from a request.

    @param key: what L{new_request} gave.
    @param certificate: what the CA sent, in any form, in one or more parts.

    @raise Problem: as L{read_certificate}; C{key-mismatch} if it was made from another request.
    """
    parts = {"certificate": certificate, "key": [key]}
    try:
        return read_certificate(parts, name=name, now=now, intermediates=intermediates)
    except Problem as problem:
        if problem.code in ("key-mismatch", "no-leaf"):
            raise Problem(
                problem.code,
                "None of the certificates was made from this request; send the one that your CA made from it.",
            ) from problem
        raise
