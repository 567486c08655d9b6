"""
Certificates that are made here: the one way in which this project signs.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..problems import Problem
from ..tls import is_address, normalise
from ._keys import ServerKey

__all__ = ["LONGEST_LIFE", "alternative_names", "common_name", "sign_authority", "sign_leaf"]

#: Days that a certificate made here may live.
LONGEST_LIFE = 3650

# RFC 5280 §A.1   ub-common-name INTEGER ::= 64
LONGEST_COMMON_NAME = 64

# Clocks of clients that are slow by up to an hour accept it at once.
BACKDATED = datetime.timedelta(hours=1)


def alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    """
    The extension for these names.

    @raise Problem: C{parameter-invalid}: one of them is no name, or there is none.
    """
    found: dict[str, None] = {}
    for given in names:
        name = normalise(given)
        if not name:
            raise Problem("parameter-invalid", f"“{given[:80]}” is neither a host name nor an address.")
        found[name] = None
    if not found:
        raise Problem("parameter-invalid", "Name at least one host name or address that the certificate is for.")
    return x509.SubjectAlternativeName(
        [x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name) for name in found]
    )


def common_name(text: str) -> x509.Name:
    """
    A distinguished name with nothing but a common name.
    """
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:LONGEST_COMMON_NAME] or "tlsgate")])


def sign_leaf(
    public: CertificatePublicKeyTypes,
    names: Sequence[str],
    *,
    days: int,
    now: float,
    signer: ServerKey,
    issuer: x509.Certificate | None = None,
) -> x509.Certificate:
    """
    Make the certificate of a server.

    @param days: of its life from now on.
    @param now: Unix time.
    @param signer: the issuer's key, or the server's own.
    @param issuer: L{None} for a self-signed one.

    @raise Problem: C{parameter-invalid}.
    """
    if not 1 <= days <= LONGEST_LIFE:
        raise Problem("parameter-invalid", f"A certificate made here lives 1 to {LONGEST_LIFE} days.")
    subject = common_name(next((normalise(name) for name in names), ""))
    builder = (
        _begin(public, subject, subject if issuer is None else issuer.subject, days=days, now=now)
        .add_extension(alternative_names(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return _sign(builder, signer)


def sign_authority(key: ServerKey, name: str, *, days: int, now: float) -> x509.Certificate:
    """
    Make the root of a CA.
    """
    subject = common_name(name)
    builder = (
        _begin(key.public_key(), subject, subject, days=days, now=now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    return _sign(builder, key)


def _begin(
    public: CertificatePublicKeyTypes, subject: x509.Name, issuer: x509.Name, *, days: int, now: float
) -> x509.CertificateBuilder:
    begin = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - BACKDATED)
        .not_valid_after(begin + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, signer: ServerKey) -> x509.Certificate:
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())
