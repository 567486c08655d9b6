"""
One handshake of our own: what does a client see?
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import TypeAlias

import attrs
from cryptography import x509

from ..settings import parse_endpoint

__all__ = ["Seen", "Target", "look", "target_of"]

#: Address and port, or the path of a UNIX socket.
Target: TypeAlias = tuple[str, int] | str

LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never bound


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


def target_of(endpoint: str, port: int) -> Target | None:
    """
    Where a binding is to be met from this machine.

    @param endpoint: its description.
    @param port: that it listens on now.

    @return: C{None} if that is not known here, as of a socket that systemd made.
    """
    address = parse_endpoint(endpoint)
    if address.kind == "unix":
        return address.path
    if address.kind == "systemd" or not port:
        return None
    host = "::1" if address.kind == "tcp6" and not address.interface else address.interface
    return LOOPBACK.get(host, host), port


def look(target: Target, server_name: str, timeout: float) -> Seen:
    """
    Shake hands, blocking.

    @param server_name: to send as SNI; empty for none.
    @param timeout: of each step, seconds.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whether it is the one that was meant is asked by fingerprint, whether it is trusted by the inspection.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _connect(target, timeout) as raw, context.wrap_socket(raw, server_hostname=server_name or None) as secured:
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


def _connect(target: Target, timeout: float) -> socket.socket:
    if isinstance(target, tuple):
        return socket.create_connection(target, timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(target)
    except OSError:
        connection.close()
        raise
    return connection
