"""
The certificate that answers a tls-alpn-01 challenge (RFC 8737, and RFC 8738 for addresses).
"""

from __future__ import annotations

import datetime
import hashlib
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ..sites import ServerCertificate
from ..tls import is_address

__all__ = ["ACME_IDENTIFIER", "challenge_certificate", "challenge_server_name"]

# RFC 8737 section 6.1   id-pe-acmeIdentifier OBJECT IDENTIFIER ::= { id-pe 31 }
ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")

DAY = datetime.timedelta(days=1)


def challenge_server_name(name: str) -> str:
    """
    The server name that the CA asks for when it validates a name.

    @param name: normalised; an address becomes its name for reverse mapping (RFC 8738 section 6).
    """
    return ip_address(name).reverse_pointer if is_address(name) else name


def challenge_certificate(name: str, key_authorization: str, *, now: float) -> ServerCertificate:
    """
    Make the self-signed certificate that only the CA ever sees.

    @param name: normalised, without a wildcard.
    @param now: Unix time.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ACME challenge")])
    # RFC 8737 section 3   Authorization ::= OCTET STRING (SIZE (32)), inside the extension's own octet string
    digest = b"\x04\x20" + hashlib.sha256(key_authorization.encode("ascii")).digest()
    alternative: x509.GeneralName = x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name)
    begin = datetime.datetime.fromtimestamp(int(now), datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - DAY)
        .not_valid_after(begin + 7 * DAY)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.UnrecognizedExtension(ACME_IDENTIFIER, digest), critical=True)
        .sign(key, hashes.SHA256())
    )
    return ServerCertificate(
        name="acme-challenge",
        chain=certificate.public_bytes(Encoding.PEM),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        names=(name,),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        key_type="ec-p256",
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )
