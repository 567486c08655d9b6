"""
Moving a binding to another interface of the port that it has.

The kernel binds two sockets to one port, where the address of one covers that of the other, only if both say
C{SO_REUSEPORT} and belong to one user.  Ours say it while the new one is bound and while it begins to listen, and no longer,
so that a second gate is still told that the port is in use.  A socket that is bound and does not listen gets no connection:
a change that fails before it is served has touched nobody.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from twisted.internet.interfaces import IReactorCore

from ..interfaces import ApplyFailed
from ._endpoint import ListeningSocket, address_of, backlog_of, open_listening_socket, refusal

__all__ = ["open_in_place_of"]

_REUSE_PORT: Final[int] = getattr(socket, "SO_REUSEPORT", 0)


async def open_in_place_of(
    reactor: IReactorCore, description: str, name: str, leaving: Iterable[ListeningSocket]
) -> ListeningSocket:
    """
    Bind an endpoint, also where sockets of ours hold its port that will be closed once it is served.  It may not listen
    before L{ListeningSocket.listen}.

    @param leaving: those sockets; they go on listening.

    @raise ApplyFailed: as L{open_listening_socket}.
    """
    try:
        return await open_listening_socket(reactor, description, name)
    except ApplyFailed as refused:
        address = address_of(description)
        beside = [each for each in leaving if address.port and address_of(each.description).port == address.port]
        if refused.code != "port-in-use" or address.kind != "tcp" or not beside or not _REUSE_PORT:
            raise
        return _bind_beside(description, name, beside)


def _bind_beside(description: str, name: str, beside: Sequence[ListeningSocket]) -> ListeningSocket:
    def begin() -> None:
        try:
            with _sharing([*(each.socket for each in beside), bound]):
                bound.listen(backlog_of(description))
        except OSError as reason:
            raise refusal(description, name, reason) from reason

    address = address_of(description)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        # As Twisted's own: what is left of closed connections must not hold the port.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The address as getaddrinfo has it, for the zone of a link-local one.
        target = socket.getaddrinfo(
            address.host or None, address.port, family, socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0][4]
        with _sharing([*(each.socket for each in beside), bound]):
            bound.bind(target)
    except OSError as reason:
        bound.close()
        raise refusal(description, name, reason) from reason
    return ListeningSocket(bound, description, begin=begin)


@contextmanager
def _sharing(sockets: Iterable[socket.socket]) -> Iterator[None]:
    """
    Let sockets have one port for a moment.
    """
    sharing = [each for each in sockets if each.fileno() >= 0]
    try:
        for each in sharing:
            each.setsockopt(socket.SOL_SOCKET, _REUSE_PORT, 1)
        yield
    finally:
        for each in sharing:
            each.setsockopt(socket.SOL_SOCKET, _REUSE_PORT, 0)
