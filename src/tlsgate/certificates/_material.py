"""
What the parts of an upload hold, recognised by content and not by name.
"""

from __future__ import annotations

import re
import warnings
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Final

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key, pkcs7

from ..problems import Problem
from ._keys import read_key
from ._pem import Block, blocks, decode
from ._pkcs12 import is_pkcs12

__all__ = ["MAX_CERTIFICATES", "ODD", "Material", "gather"]

#: Certificates that one upload may hold.
MAX_CERTIFICATES: Final = 256

#: What the cryptography library raises about certificates that are not as they should be.
ODD: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

# Labels of RFC 7468, and older ones that OpenSSL still reads.
CERTIFICATE: Final = {"CERTIFICATE", "X509 CERTIFICATE"}
KEY: Final = {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY"}
PKCS7: Final = {"PKCS7", "CMS", "PKCS #7 SIGNED DATA"}
PKCS12: Final = {"PKCS12", "PFX"}

#: What people send by mistake, as a sentence says it.
OTHERS: Final = {
    "CERTIFICATE REQUEST": "a certificate request (CSR); send the certificate that your CA made from it",
    "NEW CERTIFICATE REQUEST": "a certificate request (CSR); send the certificate that your CA made from it",
    "PUBLIC KEY": "a public key",
    "RSA PUBLIC KEY": "a public key",
    "X509 CRL": "a revocation list",
    "DH PARAMETERS": "Diffie-Hellman parameters",
    "EC PARAMETERS": "the parameters of a curve without a key",
    "OPENSSH PRIVATE KEY": "a key of OpenSSH; convert a copy of it with: ssh-keygen -p -m PEM -f COPY",
    "TRUSTED CERTIFICATE": "a certificate in OpenSSL's “trusted” form; convert it with: openssl x509 -in OLD -out NEW",
}

BASE64: Final = re.compile(rb"MI[A-Za-z0-9+/\s]{30,}={0,2}\s*")


@attrs.define
class Material:
    """
    What was found, each with the part that it was found in.

    @ivar others: what else was there, as a sentence says it.
    @ivar certified: parts that hold a certificate, be it one that another part holds too.
    @ivar faults: by part, what could not be read of it.
    """

    certificates: list[tuple[x509.Certificate, str]] = attrs.field(factory=list)
    keys: list[tuple[Block, str]] = attrs.field(factory=list, repr=False)
    containers: list[tuple[bytes, str]] = attrs.field(factory=list, repr=False)
    others: list[tuple[str, str]] = attrs.field(factory=list)
    certified: set[str] = attrs.field(factory=set)
    faults: dict[str, str] = attrs.field(factory=dict)

    def add_certificate(self, certificate: x509.Certificate, part: str) -> None:
        """
        Add a certificate, unless it is there already.

        @raise Problem: C{certificate-unreadable}: there are too many.
        """
        self.certified.add(part)
        if any(certificate == held for held, _ in self.certificates):
            return
        if len(self.certificates) >= MAX_CERTIFICATES:
            raise Problem(
                "certificate-unreadable", f"There are more than {MAX_CERTIFICATES} certificates; send only the chain."
            )
        self.certificates.append((certificate, part))

    def has_key(self, part: str) -> bool:
        """
        Was a key, or what may hold one, found in this part?
        """
        return any(found == part for _, found in (*self.keys, *self.containers))

    def has_certificate(self, part: str) -> bool:
        """
        Was a certificate, or what may hold one, found in this part?
        """
        return part in self.certified or any(found == part for _, found in self.containers)

    def why_not(self, part: str) -> str:
        """
        What is in a part that is not what it should be, as the end of a sentence.
        """
        for text, found in self.others:
            if found == part:
                return f"it holds {text}"
        return self.faults.get(part, "it is neither PEM nor DER")


def gather(content: bytes, part: str, into: Material) -> None:
    """
    Add what a part holds.

    @param content: any bytes.
    @param part: its name, for the sentences.

    @raise Problem: C{certificate-unreadable}: it holds too much.
    """
    with warnings.catch_warnings():
        # Certificates that the library thinks odd are what this is for.
        warnings.simplefilter("ignore")
        text = decode(content)
        if b"-----BEGIN " in text:
            _gather_pem(text, part, into)
        elif content[:1] == b"\x30":
            _gather_der(content, part, into)
        elif BASE64.fullmatch(text.strip()):
            # PEM without its first and last line, as it is passed in environment variables.
            try:
                _gather_der(a2b_base64(b"".join(text.split()), strict_mode=True), part, into)
            except Base64Error:
                into.faults[part] = "it is neither PEM nor DER"
        elif not content.strip():
            into.faults[part] = "it is empty"


def _gather_pem(text: bytes, part: str, into: Material) -> None:
    try:
        for block in blocks(text):
            _gather_block(block, part, into)
    except ValueError as error:
        into.faults[part] = str(error)


def _gather_block(block: Block, part: str, into: Material) -> None:
    if block.label in CERTIFICATE:
        try:
            into.add_certificate(x509.load_der_x509_certificate(block.der), part)
        except ODD:
            into.faults[part] = "a certificate in it is damaged"
    elif block.label in KEY:
        into.keys.append((block, part))
    elif block.label in PKCS7:
        if not _gather_pkcs7(block.der, part, into):
            into.faults[part] = "the PKCS#7 file in it is damaged or holds no certificate"
    elif block.label in PKCS12:
        into.containers.append((block.der, part))
    else:
        known = "PGP material" if block.label.startswith("PGP") else f"a block of the kind “{block.label}”"
        into.others.append((OTHERS.get(block.label, known), part))


def _gather_der(der: bytes, part: str, into: Material) -> None:
    if is_pkcs12(der):
        into.containers.append((der, part))
        return
    try:
        into.add_certificate(x509.load_der_x509_certificate(der), part)
        return
    except ODD:
        pass
    if _gather_pkcs7(der, part, into):
        return
    try:
        read_key(Block("", der), None)
    except Problem as problem:
        if problem.code == "key-unreadable":
            _gather_other(der, part, into, problem)
            return
    into.keys.append((Block("", der), part))


def _gather_other(der: bytes, part: str, into: Material, problem: Problem) -> None:
    """
    Say what DER is that is neither certificate nor key.
    """
    into.faults[part] = "it is DER, but neither a certificate nor a key that can be read"
    if "hashed" in problem.detail:
        into.keys.append((Block("", der), part))
        return
    for label, load in (
        ("CERTIFICATE REQUEST", x509.load_der_x509_csr),
        ("X509 CRL", x509.load_der_x509_crl),
        ("PUBLIC KEY", load_der_public_key),
    ):
        try:
            load(der)
        except ODD:
            continue
        into.others.append((OTHERS[label], part))
        return


def _gather_pkcs7(der: bytes, part: str, into: Material) -> bool:
    try:
        found = pkcs7.load_der_pkcs7_certificates(der)
    except ODD:
        return False
    for certificate in found:
        into.add_certificate(certificate, part)
    return bool(found)
