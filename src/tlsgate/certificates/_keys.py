"""
Private keys: what may serve, read from every encoding they come in.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from ..problems import Problem
from ._cost import check_cost
from ._pem import Block

__all__ = [
    "KEY_TYPES",
    "ServerKey",
    "as_pkcs8",
    "check_key",
    "fits",
    "key_type",
    "new_key",
    "read_key",
    "same_public_key",
]

ServerKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

CURVES: Final = {"secp256r1": "p256", "secp384r1": "p384", "secp521r1": "p521"}

# Browsers and OpenSSL refuse more, and a signature with it takes a quarter of a second.
LARGEST_RSA: Final = 16384
SMALLEST_RSA: Final = 2048

#: What can be made here, by name.
KEY_TYPES: Final = ("ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096")


def read_key(block: Block, password: bytes | None) -> PrivateKeyTypes:
    """
    Read a private key.

    @param block: its PEM block; one with an empty label holds bare DER.
    @param password: used only if the key is encrypted.

    @raise Problem: C{key-encrypted}, C{wrong-password} or C{key-unreadable}.
    """
    try:
        if not block.fields:  # Traditional encryption hashes the password once, and its content is no DER.
            check_cost(block.der)
    except ValueError as error:
        raise Problem("key-unreadable", f"The private key is not read: {error}.") from error
    try:
        return _load(block, None)
    except TypeError:
        pass  # It is encrypted.
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable(error) from error
    if password is None:
        raise Problem("key-encrypted", "The private key is encrypted; send its password too, in the part “password”.")
    try:
        return _load(block, password)
    except UnsupportedAlgorithm as error:
        raise _unreadable(error) from error
    except (ValueError, TypeError) as error:
        raise Problem("wrong-password", "The password does not open the private key.") from error


def _load(block: Block, password: bytes | None) -> PrivateKeyTypes:
    # Whether an RSA key is consistent is shown by what it computes to (see fits); testing its primes takes seconds for
    # a large one.
    if not block.label:
        return load_der_private_key(block.der, password, unsafe_skip_rsa_key_validation=True)
    return load_pem_private_key(block.as_pem(), password, unsafe_skip_rsa_key_validation=True)


def _unreadable(error: Exception) -> Problem:
    if isinstance(error, UnsupportedAlgorithm):
        return Problem(
            "key-unreadable",
            "The private key is of a kind that cannot be read here; make one with RSA of 2048 bits or more, P-256, "
            "P-384, P-521 or Ed25519.",
        )
    return Problem(
        "key-unreadable",
        "The private key cannot be read: it is damaged, or its kind is not one of PKCS#8, PKCS#1 and SEC1.",
    )


def key_type(key: PublicKeyTypes | PrivateKeyTypes) -> str:
    """
    The kind of a key: C{rsa-2048}, C{ec-p256}, C{ed25519}, or another lower-case name for what cannot serve.
    """
    if isinstance(key, (rsa.RSAPublicKey, rsa.RSAPrivateKey)):
        return f"rsa-{key.key_size}"
    if isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)):
        return f"ec-{CURVES.get(key.curve.name, key.curve.name)}"
    if isinstance(key, (ed25519.Ed25519PublicKey, ed25519.Ed25519PrivateKey)):
        return "ed25519"
    return type(key).__name__.lower().lstrip("_").removesuffix("publickey").removesuffix("privatekey")


def check_key(key: PrivateKeyTypes) -> ServerKey:
    """
    May this key serve?

    @raise Problem: C{key-too-weak}, with what to use instead.
    """
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < SMALLEST_RSA:
            raise _too_weak(f"an RSA key of {key.key_size} bits is too weak")
        if key.key_size > LARGEST_RSA:
            raise _too_weak(f"an RSA key of {key.key_size} bits is larger than clients accept")
        if key.public_key().public_numbers().e < 3:
            raise _too_weak("an RSA key with so small an exponent protects nothing")
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name not in CURVES:
            raise _too_weak(f"clients do not accept the curve {key.curve.name}")
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    raise _too_weak(f"a key of the kind {key_type(key)} cannot serve TLS")


def _too_weak(why: str) -> Problem:
    return Problem(
        "key-too-weak",
        f"{why[0].upper()}{why[1:]}; use RSA with 2048 bits or more, P-256, P-384, P-521 or Ed25519.",
    )


def same_public_key(one: PublicKeyTypes, other: PublicKeyTypes) -> bool:
    """
    Are these the same key, in whatever form they came?
    """
    return _public(one) == _public(other)


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def fits(key: ServerKey, public: PublicKeyTypes) -> bool:
    """
    Does the private key make signatures that the public key verifies?  This is what a handshake will ask of it.
    """
    return _computes(key, public) or _signs(key, public)


def _computes(key: ServerKey, public: PublicKeyTypes) -> bool:
    """
    Is the public key what the private one computes to?  Says no to odd keys; takes a tenth of a signature, which
    counts where there are thousands.
    """
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            assert isinstance(public, rsa.RSAPublicKey)
            return _is_whole(key.private_numbers(), public.public_numbers())
        if isinstance(key, ec.EllipticCurvePrivateKey):
            computed = ec.derive_private_key(key.private_numbers().private_value, key.curve).public_key()
            return same_public_key(computed, public)
    except (ValueError, UnsupportedAlgorithm):
        pass
    return False


def _is_whole(private: rsa.RSAPrivateNumbers, public: rsa.RSAPublicNumbers) -> bool:
    # RFC 8017 §3.2, with the modulus and the exponent of the certificate.
    p, q, d = private.p, private.q, private.d
    return (
        min(p, q) > 2
        and p * q == public.n
        and public.e * d % (p - 1) == 1
        and public.e * d % (q - 1) == 1
        and (private.dmp1, private.dmq1) == (d % (p - 1), d % (q - 1))
        and private.iqmp * q % p == 1
    )


def _signs(key: ServerKey, public: PublicKeyTypes) -> bool:
    said = b"tlsgate"
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            assert isinstance(public, rsa.RSAPublicKey)
            public.verify(
                key.sign(said, padding.PKCS1v15(), hashes.SHA256()), said, padding.PKCS1v15(), hashes.SHA256()
            )
        elif isinstance(key, ec.EllipticCurvePrivateKey):
            assert isinstance(public, ec.EllipticCurvePublicKey)
            public.verify(key.sign(said, ec.ECDSA(hashes.SHA256())), said, ec.ECDSA(hashes.SHA256()))
        else:
            assert isinstance(public, ed25519.Ed25519PublicKey)
            public.verify(key.sign(said), said)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def new_key(kind: str) -> ServerKey:
    """
    Make a private key.

    @param kind: one of L{KEY_TYPES}.

    @raise Problem: C{key-too-weak}: it is not.
    """
    match kind:
        case "ec-p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ec-p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ec-p521":
            return ec.generate_private_key(ec.SECP521R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa-2048" | "rsa-3072" | "rsa-4096":
            return rsa.generate_private_key(65537, int(kind[4:]))
    raise Problem(
        "key-too-weak", f"No key of the type “{kind[:40]}” is made here; choose one of {', '.join(KEY_TYPES)}."
    )


def as_pkcs8(key: ServerKey) -> bytes:
    """
    The key as a L{sites.ServerCertificate} holds it: PKCS#8, PEM, not encrypted.
    """
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
