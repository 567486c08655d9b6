"""
What a CA tells, as plain values.
"""

from __future__ import annotations

import base64

import attrs
from cryptography import x509

from ._problems import OrderProblem

__all__ = ["Authorization", "CAOrder", "Challenge", "DirectoryEntry", "Window", "base64url", "certificate_id"]


@attrs.frozen(kw_only=True)
class DirectoryEntry:
    """
    What a CA says of itself.

    @ivar terms: URL of the terms of service; empty for none.
    @ivar caa_identities: what CAA records call it.
    @ivar profiles: name to what it is.
    @ivar renewal_info: does it tell when to renew (RFC 9773)?
    """

    terms: str = ""
    caa_identities: tuple[str, ...] = ()
    binding_required: bool = False
    profiles: tuple[str, ...] = ()
    renewal_info: bool = False


@attrs.frozen(kw_only=True)
class Challenge:
    """
    One way to prove control of a name.

    @ivar kind: C{http-01}, C{dns-01}, C{tls-alpn-01} or one not known here.
    @ivar key_authorization: what the proof is made of (RFC 8555 section 8.1).
    """

    kind: str
    url: str
    token: str
    key_authorization: str
    status: str = "pending"
    problem: OrderProblem | None = None


@attrs.frozen(kw_only=True)
class Authorization:
    """
    The CA's question about one name.

    @ivar name: without a wildcard.
    """

    url: str
    name: str
    wildcard: bool
    status: str
    challenges: tuple[Challenge, ...]
    retry_after: float = 0.0

    @property
    def problem(self) -> OrderProblem:
        """
        Why it is invalid.
        """
        for challenge in self.challenges:
            if challenge.problem is not None:
                return challenge.problem
        return OrderProblem.of("unauthorized", name=self.name, said=f"The authorization is {self.status}.")


@attrs.frozen(kw_only=True)
class CAOrder:
    """
    An order as the CA sees it.

    @ivar retry_after: seconds to wait before looking again; 0 if the CA did not say.
    """

    url: str
    status: str
    authorizations: tuple[str, ...] = ()
    finalize: str = ""
    certificate: str = ""
    problem: OrderProblem | None = None
    retry_after: float = 0.0


@attrs.frozen(kw_only=True)
class Window:
    """
    When the CA wants a certificate to be renewed (RFC 9773 section 4.2); Unix times.

    @ivar retry_after: seconds after which to ask again.
    """

    start: float
    end: float
    retry_after: float
    explanation: str = ""


def certificate_id(certificate: x509.Certificate) -> str:
    """
    The identifier of RFC 9773 section 4.1; empty for a certificate that names no authority key.
    """
    try:
        extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return ""
    serial = certificate.serial_number
    # The content of a DER INTEGER: big endian, signed, so that there is always room for the sign.
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    return f"{base64url(extension.value.key_identifier or b'')}.{base64url(octets)}"


def base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")
