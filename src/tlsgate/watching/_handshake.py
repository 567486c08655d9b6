"""
One handshake of our own: what does a client see?
"""

from __future__ import annotations

import hashlib
import ssl

import attrs
from cryptography import x509

from ..changes import Target, connect, unverified_context

__all__ = ["Seen", "look"]


@attrs.frozen
class Seen:
    """
    What a handshake showed.

    @ivar fingerprint: SHA-256 of the leaf's DER in hex; empty if there was none.
    @ivar not_after: Unix time; 0 if there was none.
    @ivar fault: why there was none, as part of a sentence.
    """

    fingerprint: str = ""
    not_after: float = 0.0
    fault: str = ""


def look(target: Target, server_name: str, timeout: float) -> Seen:
    """
    Shake hands, blocking.

    @param server_name: to send as SNI; empty for none.
    @param timeout: of each step, seconds.
    """
    context = unverified_context()
    try:
        with connect(target, timeout) as raw, context.wrap_socket(raw, server_hostname=server_name or None) as secured:
            leaf = secured.getpeercert(binary_form=True) or b""
    except TimeoutError:
        return Seen(fault=f"it does not answer within {timeout:g} s")
    except ssl.SSLError as error:
        return Seen(fault=f"the handshake fails ({error.reason or 'unknown reason'})")
    except (OSError, ValueError) as error:
        return Seen(fault=f"no connection can be made ({getattr(error, 'strerror', None) or error})")
    try:
        ends = x509.load_der_x509_certificate(leaf).not_valid_after_utc.timestamp()
    except ValueError:
        return Seen(fault="the certificate that it sends cannot be read")
    return Seen(hashlib.sha256(leaf).hexdigest(), ends)
