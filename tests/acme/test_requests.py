"""
Requests made whole.
"""

from __future__ import annotations

import pytest
from _lab import asked

from tlsgate.acme._requests import checked, repeated
from tlsgate.problems import Problem
from tlsgate.settings import StoredCertificate, validate_document
from tlsgate.sites import ServerCertificate

SETTINGS = validate_document({"acme": {"key_type": "rsa-3072", "profile": "short", "preferred_chain": "Root"}}).acme


def test_completed() -> None:
    """
    What is not said comes from the settings; names are spelled in one way, each once.
    """
    request = checked(asked("B\u00fccher.Example.", "b.example", "B.example"), SETTINGS, ())
    assert request.names == ("xn--bcher-kva.example", "b.example")
    assert (request.challenge, request.key_type) == ("http-01", "rsa-3072")
    assert (request.profile, request.preferred_chain) == ("short", "Root")


def test_wildcard() -> None:
    """
    A wildcard is proven in DNS, and asks for nothing else.
    """
    assert checked(asked("*.a.example"), SETTINGS, ()).challenge == "dns-01"
    with pytest.raises(Problem, match="dns-01"):
        checked(asked("*.a.example", challenge="tls-alpn-01"), SETTINGS, ())


def test_refused() -> None:
    """
    Names that are none, too many of them, and the name of a certificate from files are refused.
    """
    for request, code in (
        (asked("a b"), "parameter-invalid"),
        (asked(), "parameter-invalid"),
        (asked(*(f"n{index}.example" for index in range(101))), "parameter-invalid"),
        (asked("a.example", name="files"), "in-use"),
    ):
        with pytest.raises(Problem) as caught:
            checked(request, SETTINGS, {"files"})
        assert caught.value.code == code


def test_repeated() -> None:
    """
    A renewal asks for what was asked for, whatever the CA made of it, and says what it replaces.
    """
    certificate = ServerCertificate(
        name="web",
        chain=b"PEM",
        key=b"",
        names=("a.example",),
        not_before=0.0,
        not_after=1.0,
        key_type="ec-p256",
        fingerprint="f",
    )
    details = {"names": ["a.example", "b.example"], "challenge": "tls-alpn-01", "key_type": "rsa-2048"}
    stored = StoredCertificate(certificate=certificate, source="acme", added_at=0.0, details=details)
    request = repeated("web", stored)
    assert request.names == ("a.example", "b.example")
    assert (request.challenge, request.key_type, request.replaces) == ("tls-alpn-01", "rsa-2048", "PEM")
    assert request.renewal
