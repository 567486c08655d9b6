"""
Clients that say exactly which bytes they send.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import dataclass

__all__ = ["Transcript", "connect", "connect_tls", "converse", "free_port", "served_fingerprint", "unverified"]


def free_port() -> int:
    """
    A TCP port on loopback that nobody listens on now.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def unverified() -> ssl.SSLContext:
    """
    A context that accepts every certificate: these tests ask which one is served, not who signed it.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(port: int, timeout: float = 10.0, *, address: str = "") -> socket.socket:
    """
    A plain connection.

    @param address: of the client; any of 127.0.0.0/8.
    """
    return socket.create_connection(
        ("127.0.0.1", port), timeout=timeout, source_address=(address, 0) if address else None
    )


def connect_tls(
    port: int,
    server_name: str | None = "localhost",
    *,
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
    timeout: float = 10.0,
) -> ssl.SSLSocket:
    """
    A TLS connection.

    @param server_name: L{None} sends no SNI.
    """
    plain = connect(port, timeout)
    try:
        return (context or unverified()).wrap_socket(plain, server_hostname=server_name, session=session)
    except BaseException:
        plain.close()
        raise


def served_fingerprint(port: int, server_name: str | None = "localhost") -> str:
    """
    SHA-256 of the certificate that a new connection is shown, lower hex.
    """
    with connect_tls(port, server_name) as connection:
        return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()


@dataclass(frozen=True)
class Transcript:
    """
    @ivar received: everything the peer sent.
    @ivar closed: the peer ended the connection, orderly or not, before the timeout.
    """

    received: bytes
    closed: bool


def converse(connection: socket.socket, *pieces: bytes, timeout: float = 5.0) -> Transcript:
    """
    Send each piece by itself, then read until the peer closes or is silent for C{timeout} seconds.  Closes the
    connection.
    """
    received, closed = b"", False
    with connection:
        connection.settimeout(timeout)
        try:
            for piece in pieces:
                connection.sendall(piece)
        except OSError:
            # Refused before all was sent; what it answered is read all the same.
            pass
        try:
            while got := connection.recv(65536):
                received += got
            closed = True
        except TimeoutError:
            pass
        except OSError:
            closed = True
    return Transcript(received, closed)
