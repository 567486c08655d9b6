"""
Certificates made here.
"""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tlsgate.certificates import KEY_TYPES, self_signed
from tlsgate.problems import Problem

NOW = 1_800_000_000.0


@pytest.mark.parametrize("kind", [kind for kind in KEY_TYPES if kind not in ("rsa-3072", "rsa-4096")])
def test_is_fit_for_a_server(kind) -> None:
    """
    It names hosts and addresses, is for servers, is no CA, begins an hour ago and ends in time.
    """
    made = self_signed("default", ["localhost", "Bücher.test", "127.0.0.1", "::1"], days=30, key_type=kind, now=NOW)
    assert made.names == ("localhost", "xn--bcher-kva.test", "127.0.0.1", "::1")
    assert (made.not_before, made.not_after, made.key_type) == (NOW - 3600, NOW + 30 * 86400, kind)
    extensions = x509.load_pem_x509_certificate(made.chain).extensions
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"names": []}, "parameter-invalid"),
        ({"names": ["a b"]}, "parameter-invalid"),
        ({"names": ["a.test"], "days": 0}, "parameter-invalid"),
        ({"names": ["a.test"], "days": 10**9}, "parameter-invalid"),
        ({"names": ["a.test"], "key_type": "rsa-1024"}, "key-too-weak"),
    ],
)
def test_refuses_what_cannot_be_made(arguments, code) -> None:
    """
    Impossible names, lives and keys are problems.
    """
    with pytest.raises(Problem) as caught:
        self_signed("x", now=NOW, **arguments)
    assert caught.value.code == code


def test_long_first_name() -> None:
    """
    A name too long for a common name is in the alternative names all the same.
    """
    name = "a" * 60 + ".example.test"
    assert self_signed("x", [name], now=NOW).names == (name,)
