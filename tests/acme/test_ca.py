"""
The conversation with the CA, where an order does not show it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import ClassVar

import requests
from _lab import AcmeTestCase, asked
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tlsgate.acme._ca import _seconds, certificate_id


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


def test_retry_after() -> None:
    """
    Retry-After is seconds or a date by the CA's own clock; nonsense is nothing.
    """
    answer = requests.Response()
    for text, seconds in (
        ("120", 120.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Wed, 31 Dec 2025 00:01:00 GMT", 0.0),
    ):
        answer.headers["Date"] = "Thu, 01 Jan 2026 00:00:00 GMT"
        answer.headers["Retry-After"] = text
        assert _seconds(answer) == seconds, text


class ChainTests(AcmeTestCase):
    environ: ClassVar[Mapping[str, str]] = {"PEBBLE_ALTERNATE_ROOTS": "1", "PEBBLE_CHAIN_LENGTH": "2"}

    async def test_preferred(self) -> None:
        """
        The chain that ends at the root that is preferred is taken; an unknown root gets the first chain.
        """
        roots = [x509.load_pem_x509_certificate(self.pebble.management(f"roots/{index}")) for index in (0, 1)]
        lab = await self.started()
        for wanted, root in (("", 0), (_common_name(roots[1]), 1), (_common_name(roots[0]).upper(), 0), ("Nobody", 0)):
            await lab.end(await lab.acme.order(asked("chain.example.com", preferred_chain=wanted), author="t"))
            stored = lab.changes.current.certificates["web"].certificate
            chain = x509.load_pem_x509_certificates(stored.chain)
            assert chain[-1].issuer == roots[root].subject, wanted
            assert len(chain) == 3


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
