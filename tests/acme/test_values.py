"""
What a CA tells.
"""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tlsgate.acme._values import certificate_id


def test_certificate_id() -> None:
    """
    The identifier of RFC 9773 section 4.1, with the RFC's own example.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    identifier = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0x87654321)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=1))
    )
    without = builder.sign(key, hashes.SHA256())
    extension = x509.AuthorityKeyIdentifier(identifier, None, None)
    certificate = builder.add_extension(extension, critical=False).sign(key, hashes.SHA256())
    assert certificate_id(certificate) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
    assert certificate_id(without) == ""
