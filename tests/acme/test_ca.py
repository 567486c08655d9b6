"""
The conversation with the CA, where an order does not show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from _lab import AcmeTestCase, asked
from cryptography import x509
from cryptography.x509.oid import NameOID


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
