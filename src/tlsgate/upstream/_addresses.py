"""
The addresses of a server: an IP literal's own, a socket's path, or what a name resolves to now.

Names are resolved again when the last answer is older than L{LIFETIME}: containers and clouds move their servers.
Nobody waits for that: the last answer is used until the next one is there, and a name that does not resolve any more
keeps its last addresses, since a resolver's fault is not the server's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostResolution, IResolutionReceiver
from zope.interface import implementer

from ..sites import Server

__all__ = ["LIFETIME", "ServerAddresses"]

#: Seconds that an answer is used before the name is asked for again.
LIFETIME: Final = 10.0

Address = tuple[int, Any]


class ServerAddresses:
    """
    Answers with the addresses of one server, at once where they are known.
    """

    def __init__(self, reactor: Any, server: Server) -> None:
        self._reactor = reactor
        self._server = server
        self._waiting: list[Callable[[list[Address]], None]] = []
        self._known: list[Address] = []
        self._asked_at = -LIFETIME
        self._asking = False
        self._fixed = True
        if server.scheme == "http+unix":
            self._known = [(socket.AF_UNIX, server.path)]
            return
        try:
            literal = ip_address(server.host)
        except ValueError:
            self._fixed = False
        else:
            family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
            self._known = [(family, (server.host, server.port))]

    def ask(self, answer: Callable[[list[Address]], None]) -> None:
        """
        Call C{answer} with the addresses, maybe before this returns; with none if the name does not resolve.
        """
        known = self._known
        if not known:
            self._waiting.append(answer)
        if not self._fixed and not self._asking and not (known and self._fresh()):
            self._asking = True
            receiver = _Receiver(self._resolved)
            self._reactor.nameResolver.resolveHostName(receiver, self._server.host, portNumber=self._server.port)
        if known:
            answer(known)

    def forget(self, answer: Callable[[list[Address]], None]) -> None:
        """
        Whoever asked waits no longer.  Does nothing after the answer.
        """
        if answer in self._waiting:
            self._waiting.remove(answer)

    def _fresh(self) -> bool:
        age: float = self._reactor.seconds() - self._asked_at
        return age < LIFETIME

    def _resolved(self, addresses: list[Address]) -> None:
        self._asking = False
        self._asked_at = self._reactor.seconds()
        if addresses:
            self._known = addresses
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer(self._known)


@implementer(IResolutionReceiver)
class _Receiver:
    def __init__(self, done: Callable[[list[Address]], None]) -> None:
        self._done = done
        self._addresses: list[Address] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        pass

    def addressResolved(self, address: Any) -> None:
        if isinstance(address, IPv4Address):
            self._addresses.append((socket.AF_INET, (address.host, address.port)))
        elif isinstance(address, IPv6Address):
            self._addresses.append((socket.AF_INET6, (address.host, address.port)))

    def resolutionComplete(self) -> None:
        self._done(self._addresses)
