"""
Private keys that fit their certificate, and those that only seem to.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from tlsgate.certificates._keys import KEY_TYPES, fits, new_key

RSA = rsa.generate_private_key(65537, 2048)
NUMBERS = RSA.private_numbers()


def rsa_key(**changed: int) -> rsa.RSAPrivateKey:
    """
    The key with other numbers, which nobody checks.
    """
    known = {name: getattr(NUMBERS, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
    numbers = rsa.RSAPrivateNumbers(**{**known, **changed}, public_numbers=NUMBERS.public_numbers)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@pytest.mark.parametrize("kind", [kind for kind in KEY_TYPES if kind not in ("rsa-3072", "rsa-4096")])
def test_a_key_fits_its_public_key_only(kind: str) -> None:
    """
    Every kind that can be made here fits its own public key and no other's.
    """
    key = new_key(kind)
    assert fits(key, key.public_key())
    assert not fits(key, new_key(kind).public_key())


def test_numbers_of_rsa_in_another_order() -> None:
    """
    The primes may stand the other way around, and the exponent may be the smallest or a larger one.
    """
    p, q = NUMBERS.p, NUMBERS.q
    assert fits(rsa_key(p=q, q=p, dmp1=NUMBERS.dmq1, dmq1=NUMBERS.dmp1, iqmp=pow(p, -1, q)), RSA.public_key())
    assert fits(rsa_key(d=pow(65537, -1, (p - 1) * (q - 1))), RSA.public_key())


@pytest.mark.parametrize("number", ["dmp1", "dmq1", "iqmp"])
def test_damaged_rsa(number: str) -> None:
    """
    A key whose numbers do not agree is judged by what it signs: OpenSSL can do without one that only saves time, but not
    without the exponent too.
    """
    wrong = {number: getattr(NUMBERS, number) ^ 2}
    assert fits(rsa_key(**wrong), RSA.public_key())
    assert not fits(rsa_key(**wrong, d=NUMBERS.d ^ 2), RSA.public_key())


def test_a_curve_s_key_that_claims_another_public_key() -> None:
    """
    What a file says of the public key is not believed.
    """
    mine, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    points = [key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for key in (mine, other)]
    der = mine.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    try:
        forged = load_der_private_key(der.replace(*points), None)
    except ValueError:
        return  # Refused before anybody could ask.
    assert isinstance(forged, ec.EllipticCurvePrivateKey)
    assert not fits(forged, other.public_key())
