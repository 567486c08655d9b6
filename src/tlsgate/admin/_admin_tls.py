"""
The TLS side of the admin listener: its certificate, and which client certificates it asks for.

The certificate is the local CA's, for this machine's names and those of the settings, and a new one takes its place in
time.  Client certificates are verified in the handshake, by the CAs of a file that the settings name, and come beside
the token, never instead of it.  If that file cannot be used, nobody gets in here: the UNIX socket is left.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import attrs
from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreFlags
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ..certificates import LocalAuthority
from ..problems import Finding, Problem, ProblemError, Severity
from ..settings import AdminSettings
from ..sites import ServerCertificate
from ..tls import server_context

__all__ = ["AdminTLS", "admin_names", "client_authorities"]

#: Seconds before its end at which the listener's certificate is replaced.
RENEWED_BEFORE: Final = 30 * 86400.0

#: Bytes of a file with the CAs of clients.
LARGEST: Final = 1024 * 1024

POINTER: Final = "/admin/client_ca_file"

_log = Logger()


def admin_names(more: Iterable[str] = ()) -> tuple[str, ...]:
    """
    The names that the admin's certificate is for: this machine's, loopback, and those of the settings.
    """
    names = ["localhost", "127.0.0.1", "::1"]
    for name in (socket.gethostname(), *more):
        clean = name.lower().rstrip(".")
        # What a certificate cannot hold is left out: a container's odd host name must not keep the gate from starting.
        if clean and clean not in names and len(clean) <= 253 and clean.replace("_", "").isascii() and "_" not in clean:
            names.append(clean)
    return tuple(names)


def client_authorities(path: str) -> tuple[x509.Certificate, ...]:
    """
    The CAs in a file, PEM.  Blocking.

    @raise Problem: C{invalid-settings}: it cannot be read, or holds something else.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it is larger than {LARGEST} bytes")
        found = x509.load_pem_x509_certificates(content)
    except OSError as error:
        raise _unusable(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise _unusable(f"{path} holds no PEM certificates, or damaged ones.") from None
    for certificate in found:
        if not _may_sign(certificate):
            raise _unusable(f"{path} holds a certificate that is no CA: {certificate.subject.rfc4514_string()}.")
    return tuple(found)


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _unusable(detail: str) -> Problem:
    return Problem("invalid-settings", detail, errors=[ProblemError(POINTER, "unreadable", detail)])


@attrs.frozen
class _Served:
    """
    What a context was made of; another one is made when any of it differs.
    """

    names: tuple[str, ...]
    is_required: bool
    authorities: tuple[x509.Certificate, ...] | None


@implementer(IOpenSSLServerConnectionCreator)
class AdminTLS:
    """
    Makes the TLS side of each connection to the listener.
    """

    def __init__(
        self,
        authority: LocalAuthority,
        settings: Callable[[], AdminSettings] = AdminSettings,
        *,
        wall: Callable[[], float],
    ) -> None:
        """
        @param authority: signs the listener's certificate.
        @param settings: those in force; see L{refresh}.
        @param wall: Unix time.
        """
        self._authority = authority
        self._settings = settings
        self._wall = wall
        self._served: _Served | None = None
        self._certificate: ServerCertificate | None = None
        self._findings: tuple[Finding, ...] = ()
        self._context: SSL.Context | None = None
        self.refresh()

    def refresh(self) -> None:
        """
        Begin to use settings that are new, a file that was replaced, a certificate in place of one that ends.  To be
        called after each change, and now and then.  Connections that are open stay as they are.
        """
        wanted = self._wanted()
        certificate = self._certificate
        is_due = certificate is None or certificate.not_after - self._wall() < RENEWED_BEFORE
        if wanted == self._served and not is_due:
            return
        if certificate is None or is_due or self._served is None or wanted.names != self._served.names:
            certificate = self._certificate = self._authority.issue(wanted.names)
        self._context = None if wanted.authorities is None else _context(certificate, wanted)
        self._served = wanted

    def _wanted(self) -> _Served:
        settings = self._settings()
        authorities: tuple[x509.Certificate, ...] | None = ()
        self._findings = ()
        if settings.client_ca_file:
            try:
                authorities = client_authorities(settings.client_ca_file)
            except Problem as problem:
                authorities = None
                message = f"{problem.detail} Until then nobody gets to the admin API but through the UNIX socket."
                self._findings = (Finding("client-ca-unusable", Severity.ERROR, message, POINTER),)
                if self._served is None or self._served.authorities is not None:
                    _log.error("The CAs of the admin's clients cannot be used: {detail}", detail=problem.detail)
        return _Served(admin_names(settings.names), settings.client_certificate == "required", authorities)

    def findings(self) -> tuple[Finding, ...]:
        """
        What is wrong with the file of CAs.
        """
        return self._findings

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        Called for each connection.
        """
        context = self._context
        if context is None:
            # Without a certificate there is no handshake: the client gets an alert.
            context = SSL.Context(SSL.TLS_SERVER_METHOD)
        return SSL.Connection(context, None)


def _context(certificate: ServerCertificate, wanted: _Served) -> SSL.Context:
    context = server_context([certificate], profile="intermediate", alpn=(b"http/1.1",))
    if wanted.authorities:
        verify = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if wanted.is_required else 0)
        context.set_verify(verify)
        store = context.get_cert_store()
        assert store is not None
        # What the file names is trusted, be it a root or not.
        store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
        for authority in wanted.authorities:
            store.add_cert(X509.from_cryptography(authority))
            # So that a browser offers only certificates that fit.
            context.add_client_ca(authority)
        # Each handshake shows and proves the certificate: nothing is resumed.
        context.set_options(SSL.OP_NO_TICKET)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context
