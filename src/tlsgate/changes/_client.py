"""
The gate as its own client: where a binding is met from this machine, and how.  Everything here blocks.
"""

from __future__ import annotations

import socket
import ssl
from typing import Final, TypeAlias

from ..settings import parse_endpoint

__all__ = ["Target", "connect", "target_of", "unverified_context"]

#: Address and port, or the path of a UNIX socket.
Target: TypeAlias = tuple[str, int] | str

LOOPBACK: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never bound


def target_of(endpoint: str, port: int) -> Target | None:
    """
    Where a binding is to be met.

    @param endpoint: its description.
    @param port: that it listens on now; 0 if it does not yet.

    @return: C{None} if that is not known here, as of a socket that systemd made.
    """
    address = parse_endpoint(endpoint)
    if address.kind == "unix":
        return address.path
    if address.kind == "systemd" or not port:
        return None
    host = "::1" if address.kind == "tcp6" and not address.interface else address.interface
    return LOOPBACK.get(host, host), port


def connect(target: Target, timeout: float) -> socket.socket:
    """
    Connect.

    @param timeout: of each step, from now on, seconds.

    @raise OSError: nobody listens.
    """
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


def unverified_context() -> ssl.SSLContext:
    """
    What to shake hands with.  Whether a certificate is the one that was meant is asked by fingerprint; whether it is
    trusted, by the guard and the inspection.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
