"""
The life of a handshake in a binding, over real OpenSSL in memory.
"""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from tlsgate.tls import (
    CertificateSelector,
    Terminator,
)

VERSIONS = [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]


@pytest.fixture
def pair(certificate):
    """
    Two certificates and the terminator that serves them, the first by default.
    """
    both = {"one": certificate("one", ["one.test"]), "two": certificate("two", ["two.test"])}
    return both, Terminator(CertificateSelector(both, default="one"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("asked", "name"), [(b"two.test", "two"), (b"TWO.Test", "two"), (b"else.test", "one"), (None, "one")]
)
def test_serves_by_name(pair, handshake, client, version, asked, name) -> None:  # noqa: PLR0917 - fixtures
    """
    A handshake gets the certificate of the name that it asks for, and the default otherwise.
    """
    both, terminator = pair
    shaken = handshake(terminator.context, client(version=version), asked).run()
    assert shaken.served == both[name].fingerprint


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_survive_a_swap(pair, certificate, handshake, client, version) -> None:
    """
    A session from before a change of certificates is resumed after it, and a fresh handshake sees the new one.
    """
    both, terminator = pair
    context = client(version=version)
    first = handshake(terminator.context, context, b"two.test").run()
    session = first.client.get_session()
    changed = {**both, "two": certificate("two", ["two.test"], kind="rsa-2048")}
    terminator.selector = CertificateSelector(changed, default="one", replacing=terminator.selector)
    again = handshake(terminator.context, context, b"two.test", session=session).run()
    # A resumed handshake sends no certificate: the client still shows the one of its session.
    assert (again.error, again.served) == (None, both["two"].fingerprint)
    fresh = handshake(terminator.context, client(version=version), b"two.test").run()
    assert fresh.served == changed["two"].fingerprint


@pytest.mark.parametrize("version", VERSIONS)
def test_no_certificate_is_an_alert(handshake, client, version) -> None:
    """
    Without any certificate a handshake fails with an alert, not with silence or a traceback.
    """
    terminator = Terminator(CertificateSelector({}))
    shaken = handshake(terminator.context, client(version=version), b"a.test").run()
    assert shaken.error is not None
    assert shaken.client_error is not None
    assert "alert" in str(shaken.client_error)
