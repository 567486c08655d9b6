"""
Where the admin API listens: TLS on the endpoint of the option, and the UNIX socket in the state folder.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from ..certificates import LocalAuthority
from ..sites import ServerCertificate
from ..tls import server_context
from ._web import AdminSite

__all__ = ["ADMIN_SOCKET", "admin_names", "listen_on_socket", "listen_with_tls", "with_tls"]

ADMIN_SOCKET: Final = "admin.sock"


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


@implementer(IOpenSSLServerConnectionCreator)
class _Connections:
    """
    Makes the TLS side of each connection.
    """

    def __init__(self, certificate: ServerCertificate) -> None:
        self._context = server_context([certificate], profile="intermediate", alpn=(b"http/1.1",))

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        Called for each connection.
        """
        return SSL.Connection(self._context, None)


def with_tls(site: AdminSite, certificate: ServerCertificate, clock: Any) -> TLSMemoryBIOFactory:
    """
    The site behind TLS 1.2 or later.

    @param certificate: of the listener.
    @param clock: the reactor.
    """
    return TLSMemoryBIOFactory(_Connections(certificate), False, site, clock)


async def listen_with_tls(
    reactor: Any, endpoint: str, site: AdminSite, authority: LocalAuthority, names: Iterable[str] = ()
) -> IListeningPort:
    """
    Listen on an endpoint with a certificate of the local CA.

    @param endpoint: as C{tcp:8444:interface=127.0.0.1}.
    @param names: more names for the certificate.

    @raise twisted.internet.error.CannotListenError: the port is taken.
    """
    certificate = authority.issue(admin_names(names))
    server = serverFromString(reactor, endpoint)  # type: ignore[no-untyped-call]  # Twisted has no types here
    port: IListeningPort = await server.listen(with_tls(site, certificate, reactor))
    return port


def listen_on_socket(reactor: Any, state: Path, site: AdminSite) -> IListeningPort:
    """
    Listen on C{STATE/admin.sock}, which only its owner may use.  A socket left by a gate that is gone is replaced; one
    that answers belongs to a gate that runs.

    @raise OSError: something else has this name, or another gate listens there.
    """
    path = state / ADMIN_SOCKET
    _remove_stale(path)
    # Nobody may connect between bind and chmod: the folder is 0700, and the mask closes what is left.
    mask = os.umask(0o177)
    try:
        port: IListeningPort = reactor.listenUNIX(str(path), site, mode=0o600, wantPID=False)
    finally:
        os.umask(mask)
    return port


def _remove_stale(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(f"{path} is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise FileExistsError(f"another gate listens on {path}")
