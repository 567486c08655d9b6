"""
Material for the tests of this room: by the real openssl program, and a small CA.
"""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

#: The time of every test here that does not need the present.
NOW = 1_800_000_000.0
DAY = 86400.0


def openssl(*arguments: str, cwd: Path, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], cwd=cwd, input=stdin, capture_output=True, check=True).stdout


class Workshop:
    """
    A folder with an RSA pair that openssl made, in every form that openssl can write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-days", "90",
                 "-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test,IP:127.0.0.1")  # fmt: skip

    def run(self, *arguments: str) -> None:
        openssl(*arguments, cwd=self.folder)

    def __getitem__(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


@pytest.fixture(scope="session")
def workshop(tmp_path_factory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


def general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Issued:
    """
    A certificate and its key.
    """

    def __init__(self, certificate: x509.Certificate, key: Any) -> None:
        self.certificate = certificate
        self.key = key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def issue(
    subject: str,
    by: Issued | None = None,
    *,
    names: Sequence[str] = (),
    ca: bool = False,
    begin: float = -DAY,
    end: float = 90 * DAY,
    key: Any = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    san: bool = True,
) -> Issued:
    """
    Make a certificate; dates in seconds from NOW.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = by.key if by else key
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime.fromtimestamp(NOW + begin, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(NOW + end, datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if ca:
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False)  # fmt: skip
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    elif san:
        alternatives = x509.SubjectAlternativeName([general_name(one) for one in names or [subject]])
        builder = builder.add_extension(alternatives, critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(builder.sign(signer, algorithm), key)


@pytest.fixture(scope="session")
def make():
    return issue


class Family:
    """
    A root, two intermediates under each other, and a leaf.
    """

    def __init__(self) -> None:
        server = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
        self.root = issue("Root", ca=True, end=3650 * DAY)
        self.middle = issue("Middle", self.root, ca=True, end=1000 * DAY)
        self.low = issue("Low", self.middle, ca=True, end=500 * DAY)
        self.leaf = issue("leaf.test", self.low, names=["leaf.test", "*.leaf.test"], extensions=[(server, False)])


@pytest.fixture(scope="session")
def family() -> Family:
    return Family()
