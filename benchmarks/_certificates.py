"""
The certificates that every peer serves: self-signed, ECDSA P-256.
"""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Pair", "make_pair", "make_pairs"]


@attrs.frozen
class Pair:
    """
    A certificate and its key, as files.

    @ivar bundle: both in one file, as HAProxy wants them.
    """

    name: str
    certificate: Path
    key: Path
    bundle: Path
    fingerprint: str


def make_pair(folder: Path, file_name: str, name: str = "localhost", serial: int | None = None) -> Pair:
    """
    A fresh pair for one DNS name.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{file_name}.crt", folder / f"{file_name}.key", folder / f"{file_name}.pem"
    for path, content in zip(paths, (chain, secret, chain + secret), strict=True):
        path.write_bytes(content)
        path.chmod(0o600)
    fingerprint = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
    return Pair(name, *paths, fingerprint)


def make_pairs(folder: Path, count: int) -> list[Pair]:
    """
    C{count} pairs for C{site0.example} and so on.
    """
    return [make_pair(folder, f"site{n}", f"site{n}.example") for n in range(count)]
