"""
PKCS#12, which Windows calls PFX: a key, its certificate and the chain in one file under a password (RFC 7292).
"""

from __future__ import annotations

from typing import Final

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12

from ..problems import Problem
from ._cost import check_cost

__all__ = ["Opened", "is_pkcs12", "open_pkcs12"]

# RFC 7292 §4   PFX ::= SEQUENCE { version INTEGER {v3(3)}, authSafe ContentInfo, macData MacData OPTIONAL }
VERSION: Final = b"\x02\x01\x03"
# RFC 5652 §4   id-data: authSafe is data, as long as its integrity is protected by a password.
DATA: Final = bytes.fromhex("06092a864886f70d010701")


@attrs.frozen
class Opened:
    """
    What was in it.
    """

    key: PrivateKeyTypes | None = attrs.field(repr=False)
    certificates: tuple[x509.Certificate, ...]


def is_pkcs12(der: bytes) -> bool:
    """
    Does this look like PKCS#12, whether or not it can be opened?
    """
    start = der[:48]
    return start[:1] == b"\x30" and -1 < start.find(VERSION) <= 6 and DATA in start


def open_pkcs12(der: bytes, password: bytes | None) -> Opened:
    """
    Open a PKCS#12 file.

    @param password: L{None} if none was given; an empty one is tried then.

    @raise Problem: C{key-encrypted}, C{wrong-password} or C{certificate-unreadable}.
    """
    try:
        check_cost(der)
    except ValueError as error:
        raise Problem("certificate-unreadable", f"The PFX file is not opened: {error}.") from error
    # No password and an empty one hash differently, and Windows, Java and OpenSSL do not agree which is which.
    for attempt in (password,) if password else (None, b""):
        try:
            opened = pkcs12.load_pkcs12(der, attempt)
        except UnsupportedAlgorithm as error:
            raise _unsupported() from error
        except (ValueError, TypeError) as error:
            if "unsupported" in str(error).lower():
                raise _unsupported() from error
            continue
        certificates = [opened.cert, *opened.additional_certs]
        return Opened(opened.key, tuple(one.certificate for one in certificates if one is not None))
    if password:
        raise Problem("wrong-password", "The password does not open the PFX file, or the file is damaged.")
    raise Problem("key-encrypted", "The PFX file is protected by a password; send it too, in the part “password”.")


def _unsupported() -> Problem:
    return Problem(
        "certificate-unreadable",
        "The PFX file is encrypted in an old way (RC2 or RC4) that the OpenSSL of this machine no longer opens; export "
        "it again with AES-256, or convert it with: openssl pkcs12 -legacy -in OLD.pfx -nodes -out NEW.pem.",
    )
