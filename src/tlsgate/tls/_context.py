"""
OpenSSL contexts: for a server name, for an ACME challenge, and for an upstream.

Everything a context needs is put into it when it is built; a handshake reads no file.  A context is complete before
its first connection and never changed afterwards.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from ..sites import ServerCertificate

__all__ = [
    "ACME_TLS",
    "PROFILES",
    "CertificateRefused",
    "challenge_context",
    "check_taken",
    "first_context",
    "server_context",
]

#: The ALPN protocol of an ACME CA that validates a name (RFC 8737 §6.2).
ACME_TLS: Final = b"acme-tls/1"

#: The TLS profiles after Mozilla's Server Side TLS 5.7: the oldest protocol version of each.
PROFILES: Final = {"intermediate": SSL.TLS1_2_VERSION, "modern": SSL.TLS1_3_VERSION}

# Mozilla's intermediate TLS 1.2 suites without its DHE ones, which no living client needs and which cost the server
# most.  The order is the client's: it knows whether it has AES in hardware.
CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)

# OpenSSL's security level 2 refuses to load a certificate that is signed with SHA-1.  To be served it must be
# loaded; the client decides what it trusts, and versions and suites are fixed by the profile all the same.
WITHOUT_LEVEL: Final = CIPHERS + b":@SECLEVEL=0"

# Seconds that a session may be resumed for.
SESSION_LIFE: Final = 7200

# Sessions are looked up in the context that a connection began with; OpenSSL refuses to resume any without this.
SESSION_ID: Final = b"tlsgate"


class CertificateRefused(Exception):
    """
    OpenSSL does not take a certificate or its key.
    """


#: SSL_MODE_ENABLE_PARTIAL_WRITE of OpenSSL's ssl.h, which pyOpenSSL has no name for.
ENABLE_PARTIAL_WRITE: Final = 0x1


def server_context(
    certificates: Sequence[ServerCertificate], *, profile: str, alpn: Sequence[bytes] = (b"http/1.1",)
) -> SSL.Context:
    """
    A context that serves one name.

    @param certificates: at most one of each kind of key: OpenSSL picks by what the client can verify.
    @param profile: a key of L{PROFILES}.
    @param alpn: the protocols spoken here, most wanted first.  A client that offers none of them is served without
        ALPN, which means HTTP/1.1.

    @raise CertificateRefused: OpenSSL does not take one of the certificates.
    """
    try:
        return _serving(certificates, profile, alpn, CIPHERS)
    except (SSL.Error, ValueError, TypeError):
        pass
    try:
        return _serving(certificates, profile, alpn, WITHOUT_LEVEL)
    except (SSL.Error, ValueError, TypeError) as error:
        names = ", ".join(certificate.name for certificate in certificates)
        raise CertificateRefused(f"OpenSSL does not take {names}: {reason_of(error)}") from error


def first_context(
    *, profile: str, select: Callable[[SSL.Connection], None], alpn: Sequence[bytes] = (b"http/1.1",)
) -> SSL.Context:
    """
    The context that the connections of a binding begin with: it holds the session tickets and no certificate.

    @param select: called in each handshake, to give the connection the context of the name that it asks for; must
        not raise.
    """
    context = _bare(profile, alpn, CIPHERS)
    context.set_tlsext_servername_callback(select)
    return context


def challenge_context(certificate: ServerCertificate) -> SSL.Context:
    """
    A context that answers an ACME CA's tls-alpn-01 validation of one name (RFC 8737 §3).

    @raise CertificateRefused: OpenSSL does not take it.
    """
    return server_context([certificate], profile="intermediate", alpn=(ACME_TLS,))


# A context takes longer to make than to be given a certificate, and thousands may be checked in a row.
_checking = threading.local()


def check_taken(certificate: ServerCertificate, key: PrivateKeyTypes) -> None:
    """
    Prove that OpenSSL takes a certificate with its chain, as a context that serves it will have to.

    @param key: of the certificate, known to fit.

    @raise CertificateRefused: it does not.
    """
    context = getattr(_checking, "context", None)
    if context is None:
        context = _checking.context = _bare("intermediate", (), WITHOUT_LEVEL)
    try:
        _give(context, certificate.chain, key)
    except (SSL.Error, ValueError, TypeError) as error:
        # What a failure leaves behind is not known.
        del _checking.context
        raise CertificateRefused(f"OpenSSL does not take {certificate.name}: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """
    What OpenSSL says, as text.
    """
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        return "; ".join(entry[-1] for entry in error.args[0] if entry[-1]) or "unknown reason"
    return str(error) or type(error).__name__


def _serving(
    certificates: Sequence[ServerCertificate], profile: str, alpn: Sequence[bytes], ciphers: bytes
) -> SSL.Context:
    context = _bare(profile, alpn, ciphers)
    for certificate in certificates:
        # The pair was checked when it was stored; checking an RSA key again costs more than all the rest.
        key = load_pem_private_key(certificate.key, None, unsafe_skip_rsa_key_validation=True)
        _give(context, certificate.chain, key)
    _staple(context, certificates)
    # After a HelloRetryRequest OpenSSL asks this context first, and the binding's only when this has no callback:
    # the choice is made once, and the binding's context may be gone by then.
    context.set_tlsext_servername_callback(_chosen)
    return context


def _give(context: SSL.Context, chain: bytes, key: PrivateKeyTypes) -> None:
    """
    Put a pair into a context, in place of one with the same kind of key.
    """
    with _as_file(chain) as path:
        # Replaces the chain of this kind of key only, so that two certificates keep a chain each.
        context.use_certificate_chain_file(path)
    context.use_privatekey(key)  # type: ignore[arg-type]  # any private key that a certificate can hold
    # A key of another kind would stand beside the certificate, and only handshakes would tell.
    context.check_privatekey()


def _bare(profile: str, alpn: Sequence[bytes], ciphers: bytes) -> SSL.Context:
    """
    A context with everything that does not depend on a certificate.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(PROFILES[profile])
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_SINGLE_ECDH_USE)
    # An idle connection gives its two 16 KiB buffers back.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # pyOpenSSL asks for partial writes, and then each call sends one record of 16 KiB.  Without, OpenSSL fills records
    # from one large write back to back, which saves a fifth of the CPU of large answers; the transport retries with
    # the same bytes, as this mode demands.
    context.clear_mode(ENABLE_PARTIAL_WRITE)
    context.set_cipher_list(ciphers)
    context.set_session_id(SESSION_ID)
    context.set_timeout(SESSION_LIFE)
    spoken = tuple(alpn)

    def choose(connection: SSL.Connection, offered: list[bytes]) -> bytes | object:
        for protocol in spoken:
            if protocol in offered:
                return protocol
        return SSL.NO_OVERLAPPING_PROTOCOLS

    context.set_alpn_select_callback(choose)  # type: ignore[arg-type]  # the sentinel's class is private
    return context


def _chosen(connection: SSL.Connection) -> None:
    """
    The servername callback of a context that was chosen already.
    """


def _staple(context: SSL.Context, certificates: Sequence[ServerCertificate]) -> None:
    """
    Send the OCSP response of the certificate that the handshake picked (RFC 6066 §8).
    """
    staples = {bytes.fromhex(one.fingerprint): one.staple for one in certificates if one.staple}
    if not staples:
        return

    def staple(connection: SSL.Connection, _: object) -> bytes:
        leaf = connection.get_certificate(as_cryptography=True)
        return b"" if leaf is None else staples.get(leaf.fingerprint(hashes.SHA256()), b"")

    context.set_ocsp_server_callback(staple)


@contextmanager
def _as_file(text: bytes) -> Iterator[str]:
    """
    The public part of a certificate as a path that OpenSSL can open: only from a file does it take a chain for each
    certificate.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("chain", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, text)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(text)
            file.flush()
            yield file.name
