"""
The certificate that answers tls-alpn-01, as RFC 8737 describes it.
"""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509

from tlsgate.acme._tls_alpn import ACME_IDENTIFIER, challenge_certificate, challenge_server_name
from tlsgate.tls import challenge_context


@pytest.mark.parametrize("name", ["a.test", "192.0.2.1", "2001:db8::1"])
def test_certificate(name: str) -> None:
    """
    It is for exactly the name, and holds the digest of the key authorization in a critical extension.
    """
    made = challenge_certificate(name, "token.thumb", now=1_800_000_000.0)
    leaf = x509.load_pem_x509_certificate(made.chain)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(found.value) for found in names] == [name]
    extension = leaf.extensions.get_extension_for_oid(ACME_IDENTIFIER)
    assert extension.critical
    digest = hashlib.sha256(b"token.thumb").digest()
    assert extension.value.public_bytes() == b"\x04\x20" + digest
    assert made.not_before < 1_800_000_000.0 < made.not_after
    assert challenge_context(made) is not None
    assert b"PRIVATE" not in repr(made).encode()


def test_server_names() -> None:
    """
    An address is asked for by its name for reverse mapping (RFC 8738 section 6).
    """
    assert challenge_server_name("a.test") == "a.test"
    assert challenge_server_name("192.0.2.1") == "1.2.0.192.in-addr.arpa"
    assert challenge_server_name("2001:db8::1").endswith("8.b.d.0.1.0.0.2.ip6.arpa")
