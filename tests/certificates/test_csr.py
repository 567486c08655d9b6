"""
Requests, and the certificates that come back.
"""

from __future__ import annotations

import pytest
from cryptography import x509

from tlsgate.certificates import match_signed, new_request
from tlsgate.problems import Problem

NOW = 1_800_000_000.0


def test_a_request_and_its_certificate(make, family) -> None:
    """
    What a CA makes from a request is matched to its key, with the chain in order.
    """
    key_pem, request_pem = new_request(["Shop.test", "*.shop.test"], subject={"organization": "Shop", "country": "CH"})
    request = x509.load_pem_x509_csr(request_pem)
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=Shop.test,C=CH,O=Shop"
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.test", "*.shop.test"]

    class Requested:
        @staticmethod
        def public_key():
            return request.public_key()

    signed = make("shop.test", family.low, names=["shop.test"], key=Requested)
    found = match_signed(key_pem, [family.low.pem, signed.pem], name="shop", now=NOW).certificate
    assert (found.name, found.names, found.key) == ("shop", ("shop.test",), key_pem)
    assert found.chain == signed.pem + family.low.pem


def test_another_certificate(family) -> None:
    """
    A certificate that was made from another request is refused.
    """
    key_pem, _ = new_request(["leaf.test"], key_type="ed25519")
    with pytest.raises(Problem, match="made from this request") as caught:
        match_signed(key_pem, [family.leaf.pem], name="x", now=NOW)
    assert caught.value.code == "key-mismatch"


@pytest.mark.parametrize("subject", [{"country": "Switzerland"}, {"planet": "Earth"}, {"common_name": "x" * 99}])
def test_impossible_subjects(subject) -> None:
    """
    A subject that cannot be is refused with what is wrong.
    """
    with pytest.raises(Problem) as caught:
        new_request(["a.test"], subject=subject)
    assert caught.value.code == "parameter-invalid"
