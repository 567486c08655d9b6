"""
Where the admin API listens: TLS on the endpoint of the option, and the UNIX socket in the state folder.
"""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import Any, Final

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.protocols.tls import TLSMemoryBIOFactory

from ..listeners import listen_privately
from ._admin_tls import AdminTLS
from ._web import AdminSite

__all__ = ["ADMIN_SOCKET", "listen_on_socket", "listen_with_tls"]

ADMIN_SOCKET: Final = "admin.sock"


async def listen_with_tls(reactor: Any, endpoint: str, site: AdminSite, tls: AdminTLS) -> IListeningPort:
    """
    Listen on an endpoint with TLS 1.2 or later.

    @param endpoint: as C{tcp:8444:interface=127.0.0.1}.

    @raise twisted.internet.error.CannotListenError: the port is taken.
    """
    server = serverFromString(reactor, endpoint)  # type: ignore[no-untyped-call]  # Twisted has no types here
    port: IListeningPort = await server.listen(TLSMemoryBIOFactory(tls, False, site, reactor))
    return port


def listen_on_socket(reactor: Any, state: Path, site: AdminSite) -> IListeningPort:
    """
    Listen on C{STATE/admin.sock}, which only its owner may use.  A socket left by a gate that is gone is replaced; one
    that answers belongs to a gate that runs.

    @raise OSError: something else has this name, or another gate listens there.
    """
    path = state / ADMIN_SOCKET
    _remove_stale(path)
    return listen_privately(reactor, path, site)


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
