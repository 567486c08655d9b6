"""
The TLS side of one https binding, from the first bytes of a connection to the context that answers them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from OpenSSL import SSL
from twisted.logger import Logger

from ..sites import ServerCertificate
from ._client_hello import ClientHello
from ._context import ACME_TLS, CertificateRefused, challenge_context, first_context
from ._selector import CertificateSelector

__all__ = ["UNRECOGNIZED_NAME_ALERT", "Terminator"]

#: A TLS record that ends a handshake: alert, fatal, unrecognized_name (RFC 8446 §6, RFC 6066 §3).
UNRECOGNIZED_NAME_ALERT: Final = bytes([21, 3, 3, 0, 2, 2, 112])

# A CA validates a name from a handful of places; challenges beyond this are built anew for each.
CHALLENGE_CONTEXTS: Final = 256


class Terminator:
    """
    Gives each connection of a binding its context.  Lives as long as the binding: its first context holds the keys of
    the session tickets, which therefore survive every change of certificates.

    A session is not resumed under another server name: OpenSSL 4 refuses this in both versions (3.x let TLS 1.3 do it,
    to the client's own confusion only, as long as no name asks for client certificates).

    @ivar selector: chooses by server name; swapped by one assignment.
    @ivar challenges: by server name, what answers an ACME CA's tls-alpn-01 validation; swapped by one assignment.
    @ivar context: what each connection begins with.
    """

    _log = Logger()

    def __init__(
        self, selector: CertificateSelector, *, profile: str = "intermediate", alpn: Sequence[bytes] = (b"http/1.1",)
    ) -> None:
        """
        @param profile: of the first context; that of the selector should be the same.
        """
        self.selector = selector
        self.challenges: Mapping[str, ServerCertificate] = {}
        self.profile = profile
        self.context = first_context(profile=profile, select=self._server_named, alpn=alpn)
        self._challenge_contexts: dict[str, SSL.Context] = {}
        self._complained: set[str] = set()

    def refuses(self, hello: ClientHello) -> bool:
        """
        Must this client be sent L{UNRECOGNIZED_NAME_ALERT}, because no certificate covers the name it asks for and
        the binding is strict?
        """
        selector = self.selector
        if not selector.strict or hello.server_name is None:
            return False
        return not selector.covers(hello.server_name) and self._challenge(hello) is None

    def context_for(self, hello: ClientHello | None) -> SSL.Context:
        """
        The context for a new connection: L{context}, but for an ACME CA that validates a name that is being validated.

        @param hello: what was peeked; L{None} if nothing was.
        """
        if hello is not None and hello.alpn == (ACME_TLS,):
            certificate = self._challenge(hello)
            if certificate is not None:
                try:
                    return self._challenge_context(certificate)
                except CertificateRefused as refusal:
                    self._complain(str(refusal))
        return self.context

    def _challenge(self, hello: ClientHello) -> ServerCertificate | None:
        if not self.challenges or hello.alpn != (ACME_TLS,):
            return None
        return self.challenges.get(hello.name)

    def _challenge_context(self, certificate: ServerCertificate) -> SSL.Context:
        context = self._challenge_contexts.get(certificate.fingerprint)
        if context is None:
            if len(self._challenge_contexts) >= CHALLENGE_CONTEXTS:
                self._challenge_contexts.clear()
            context = self._challenge_contexts[certificate.fingerprint] = challenge_context(certificate)
        return context

    def _server_named(self, connection: SSL.Connection) -> None:
        """
        Called by OpenSSL in each handshake, whether or not the client named a server.  Must not raise: the handshake
        would fail without a word to the log.  A connection that is given no context fails for want of a certificate.
        """
        selector = self.selector
        try:
            context = selector.select(connection.get_servername())
        except CertificateRefused as refusal:
            self._complain(str(refusal))
            context = self._default(selector)
        if context is not None:
            connection.set_context(context)

    def _default(self, selector: CertificateSelector) -> SSL.Context | None:
        try:
            return selector.select_default()
        except CertificateRefused as refusal:
            self._complain(str(refusal))
            return None

    def _complain(self, what: str) -> None:
        """
        Log each fault once: handshakes are many.
        """
        if what not in self._complained:
            if len(self._complained) >= CHALLENGE_CONTEXTS:
                self._complained.clear()
            self._complained.add(what)
            self._log.error("A certificate cannot be served: {what}", what=what)
