"""
Self-signed certificates: encryption without trust, so that HTTPS answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..sites import ServerCertificate
from ._issue import sign_leaf
from ._keys import new_key
from ._value import server_certificate

__all__ = ["self_signed"]


def self_signed(
    name: str, names: Sequence[str], *, days: int = 397, key_type: str = "ec-p256", now: float
) -> ServerCertificate:
    """
    Make a certificate that is its own issuer, backdated by an hour.

    @param name: of the certificate here.
    @param names: host names and addresses that it is for.
    @param days: of its life from now on.
    @param key_type: one of L{KEY_TYPES}.
    @param now: Unix time.

    @raise Problem: C{parameter-invalid} or C{key-too-weak}.
    """
    key = new_key(key_type)
    return server_certificate(name, [sign_leaf(key.public_key(), names, days=days, now=now, signer=key)], key)
