"""
TLS towards an upstream, shown by real handshakes in memory.
"""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from tlsgate.errors import UpstreamRefused
from tlsgate.tls import client_connection, client_context, server_context, verify_upstream


@pytest.fixture(scope="module")
def origin(certificate):
    return certificate("origin", ["origin.test", "127.0.0.1"])


def shake(handshake, origin, context, name: str):
    shaken = handshake(server_context([origin], profile="intermediate"), context)
    shaken.client = client_connection(context, name)
    return shaken.run()


@pytest.mark.parametrize("name", ["origin.test", "ORIGIN.test", "127.0.0.1"])
def test_the_right_upstream(handshake, origin, name) -> None:
    """
    A chain that is trusted, for the name or the address that was meant, is accepted; only names are sent.
    """
    shaken = shake(handshake, origin, client_context(ca_pem=origin.chain), name)
    assert shaken.client_error is None
    verify_upstream(shaken.client.get_peer_certificate(as_cryptography=True), name)
    assert shaken.server.get_servername() == (None if name[0] == "1" else b"origin.test")
    assert shaken.client.get_alpn_proto_negotiated() == b"http/1.1"


@pytest.mark.parametrize("name", ["other.test", "127.0.0.2", ""])
def test_the_wrong_name(handshake, origin, name) -> None:
    """
    A trusted certificate for another name is refused.
    """
    shaken = shake(handshake, origin, client_context(ca_pem=origin.chain), name)
    with pytest.raises(UpstreamRefused, match="not for"):
        verify_upstream(shaken.client.get_peer_certificate(as_cryptography=True), name)


def test_an_untrusted_chain(handshake, origin) -> None:
    """
    A chain that the system's roots do not know fails the handshake.
    """
    shaken = shake(handshake, origin, client_context(), "origin.test")
    assert "verify failed" in str(shaken.client_error)


def test_shows_its_own_certificate(handshake, origin, certificate) -> None:
    """
    An upstream that asks is shown the client certificate.
    """
    ours = certificate("ours", kind="rsa-2048")
    context = client_context(ca_pem=origin.chain, client_certificate=ours.key + ours.chain)
    asking = server_context([origin], profile="intermediate")
    asking.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    shaken = handshake(asking, context).run()
    assert shaken.error is None
    assert shaken.server.get_peer_certificate(as_cryptography=True) is not None


def test_a_pair_that_openssl_does_not_take(certificate) -> None:
    """
    A client certificate whose key is too weak, or that has another's key, is told when the context is made.
    """
    weak, one, other = certificate("weak", kind="rsa-1024"), certificate("one"), certificate("other", kind="rsa-2048")
    for pair, reason in ((weak.key + weak.chain, "too small"), (other.key + one.chain, "no certificate assigned")):
        with pytest.raises(ValueError, match=reason):
            client_context(client_certificate=pair)


@pytest.mark.parametrize("wrong", [{"ca_pem": b"nonsense"}, {"client_certificate": b"nonsense"}])
def test_unreadable_material(wrong) -> None:
    """
    Trust anchors and client certificates that cannot be read are told when the context is made.
    """
    with pytest.raises(ValueError):
        client_context(**wrong)
