"""
Certificates for tests, made on the spot: self-signed or signed by a CA of the test's own.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "Pair", "make_key", "make_pair"]

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Pair:
    """
    A certificate (with its chain, leaf first) and its key, as PEM files.
    """

    certificate: Path
    key: Path
    leaf: x509.Certificate

    @property
    def fingerprint(self) -> str:
        """
        SHA-256 of the leaf, lower hex.
        """
        return hashlib.sha256(self.leaf.public_bytes(serialization.Encoding.DER)).hexdigest()


@dataclass(frozen=True)
class Authority:
    """
    A certificate authority: a root, or an intermediate with its issuers.

    @ivar chain: the CA's own certificate first, without the root.
    """

    key: PrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def root(cls, name: str = "Test Root") -> Authority:
        """
        A new self-signed root.
        """
        key = make_key()
        return cls(key, _sign(name, key, name, key, ca=True))

    def intermediate(self, name: str = "Test Intermediate") -> Authority:
        """
        A new CA signed by this one.
        """
        key = make_key()
        certificate = _sign(name, key, _common_name(self.certificate), self.key, ca=True)
        return Authority(key, certificate, (certificate, *self.chain))


def make_key(kind: str = "ec-p256") -> PrivateKey:
    """
    A private key: C{ec-p256}, C{ec-p384}, C{ed25519}, C{rsa-2048} and so on.
    """
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("rsa-"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa-")))
    return ec.generate_private_key({"ec-p256": ec.SECP256R1(), "ec-p384": ec.SECP384R1()}[kind])


def make_pair(
    folder: Path,
    *names: str,
    kind: str = "ec-p256",
    days: tuple[float, float] = (-1, 90),
    authority: Authority | None = None,
    password: bytes | None = None,
) -> Pair:
    """
    A pair for DNS names and IP literals; C{localhost} and C{127.0.0.1} when none is given.

    @param days: not-before and not-after, from now.
    @param authority: who signs; L{None} for self-signed.
    @param password: encrypts the key.
    """
    names = names or ("localhost", "127.0.0.1")
    key = make_key(kind)
    issuer, signer = (names[0], key) if authority is None else (_common_name(authority.certificate), authority.key)
    leaf = _sign(names[0], key, issuer, signer, names=names, days=days)
    chain = (leaf, *(authority.chain if authority else ()))
    folder.mkdir(parents=True, exist_ok=True)
    stem = hashlib.sha256(leaf.public_bytes(serialization.Encoding.DER)).hexdigest()[:12]
    pair = Pair(folder / f"{stem}.crt", folder / f"{stem}.key", leaf)
    pair.certificate.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain))
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection))
    return pair


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _sign(
    subject: str,
    key: PrivateKey,
    issuer: str,
    signer: PrivateKey,
    *,
    names: tuple[str, ...] = (),
    days: tuple[float, float] = (-1, 90),
    ca: bool = False,
) -> x509.Certificate:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
