"""
TLS towards an upstream, which is verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from socket import socket

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from ..errors import UpstreamRefused
from ._context import CIPHERS, reason_of
from ._names import is_address, normalise

__all__ = ["client_connection", "client_context", "verify_upstream"]


def client_context(
    *, ca_pem: bytes = b"", client_certificate: bytes = b"", alpn: Sequence[bytes] = (b"http/1.1",)
) -> SSL.Context:
    """
    A context for connections to an upstream.  Reading the system's trust anchors takes some 20 ms: make one for each
    upstream, not for each connection.

    @param ca_pem: trust anchors; empty for the system's.
    @param client_certificate: a key, its certificate and chain, PEM in any order; empty for none.

    @raise ValueError: one of them cannot be read, or OpenSSL does not take it.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(CIPHERS)
    context.set_verify(SSL.VERIFY_PEER)
    if alpn:
        context.set_alpn_protos(list(alpn))
    if ca_pem:
        trust_anchors(context, ca_pem)
    else:
        context.set_default_verify_paths()
    if client_certificate:
        leaf, *chain = x509.load_pem_x509_certificates(client_certificate)
        key = load_pem_private_key(client_certificate, None)
        try:
            context.use_certificate(leaf)
            for issuer in chain:
                context.add_extra_chain_cert(issuer)
            context.use_privatekey(key)  # type: ignore[arg-type]  # any private key that a certificate can hold
            context.check_privatekey()
        except SSL.Error as error:
            raise ValueError(reason_of(error)) from error
    return context


def trust_anchors(context: SSL.Context, ca_pem: bytes) -> None:
    """
    Trust these certificates and no others.

    @raise ValueError: there is none, or one cannot be read.
    """
    from OpenSSL.crypto import X509  # noqa: PLC0415 - the only class of that deprecated module that is needed

    store = context.get_cert_store()
    assert store is not None
    for certificate in x509.load_pem_x509_certificates(ca_pem):
        store.add_cert(X509.from_cryptography(certificate))


def client_connection(context: SSL.Context, server_name: str, sock: socket | None = None) -> SSL.Connection:
    """
    A connection that will ask for a server name.  An address is not sent (RFC 6066 §3).

    @param server_name: a DNS name or an IP literal without brackets.
    @param sock: the connected socket; L{None} for a memory BIO.
    """
    connection = SSL.Connection(context, sock)
    name = normalise(server_name)
    if name and not is_address(name):
        connection.set_tlsext_host_name(name.encode("ascii"))
    connection.set_connect_state()
    return connection


def verify_upstream(certificate: x509.Certificate | None, server_name: str) -> None:
    """
    Is the certificate of a finished handshake for the server that was meant?  The handshake itself verified the
    chain.

    @param certificate: the leaf that the upstream showed.

    @param server_name: a DNS name or an IP literal without brackets.

    @raise UpstreamRefused: it is not.
    """
    name = normalise(server_name)
    if certificate is None:
        raise UpstreamRefused(f"The upstream showed no certificate for {server_name}.")
    try:
        if is_address(name):
            verify_certificate_ip_address(certificate, name)
        else:
            verify_certificate_hostname(certificate, name)
    except (VerificationError, CertificateError, ValueError) as error:
        raise UpstreamRefused(f"The certificate of the upstream is not for {server_name}.") from error
