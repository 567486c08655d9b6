"""
The value that serves, made of parsed parts.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ..sites import ServerCertificate
from ._extensions import names_of
from ._keys import ServerKey, as_pkcs8, key_type

__all__ = ["server_certificate"]


def server_certificate(name: str, chain: Sequence[x509.Certificate], key: ServerKey) -> ServerCertificate:
    """
    Put a chain and the key of its leaf together; nothing is checked here.

    @param chain: leaf first, without the root.
    """
    leaf = chain[0]
    return ServerCertificate(
        name=name,
        chain=b"".join([one.public_bytes(Encoding.PEM) for one in chain]),
        key=as_pkcs8(key),
        names=names_of(leaf),
        not_before=leaf.not_valid_before_utc.timestamp(),
        not_after=leaf.not_valid_after_utc.timestamp(),
        key_type=key_type(key),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
    )
