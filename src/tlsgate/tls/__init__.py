"""
Terminate TLS: choose certificates for the name that a client asks for, and hand OpenSSL a context with them.

A connection is L{_client_hello} (peeked, not consumed) → L{_terminator} (strict names, ACME, the first context) →
L{_selector} (which certificates, and why) → L{_context} (what OpenSSL gets).  L{_names} has the one spelling of a
server name, L{_upstream} the other direction.

Reading a handshake touches no disk; certificates are swapped by one assignment of a new selector.
"""

from ._client_hello import LONGEST, ClientHello, Peeked, read_client_hello
from ._context import ACME_TLS, PROFILES, CertificateRefused, challenge_context, check_taken, server_context
from ._names import is_address, matches, normalise, wildcard_for
from ._selector import CertificateSelector, Choice, Rule, by_name
from ._terminator import UNRECOGNIZED_NAME_ALERT, Terminator
from ._upstream import client_connection, client_context, verify_upstream

__all__ = [
    "ACME_TLS",
    "LONGEST",
    "PROFILES",
    "UNRECOGNIZED_NAME_ALERT",
    "CertificateRefused",
    "CertificateSelector",
    "Choice",
    "ClientHello",
    "Peeked",
    "Rule",
    "Terminator",
    "by_name",
    "challenge_context",
    "check_taken",
    "client_connection",
    "client_context",
    "is_address",
    "matches",
    "normalise",
    "read_client_hello",
    "server_context",
    "verify_upstream",
    "wildcard_for",
]
