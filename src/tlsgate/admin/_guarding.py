"""
Keep web pages away from the admin listener: Host and Origin checks.

A page of another site can make a browser send requests here: by DNS rebinding with a Host of its own, or across
sites with an Origin of its own.  Both say so themselves.  A UNIX socket cannot be reached from a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

from ..problems import Problem
from ._auth import Peer

__all__ = ["Guard"]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

# RFC 9110 section 7.2: Host = uri-host [ ":" port ]; without percent-encoding, which no name here needs.
HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::[0-9]{1,5})?")


class Guard:
    """
    Knows under which names the listener may be asked for.
    """

    def __init__(self, names: Iterable[str] = (), more: Callable[[], Iterable[str]] = tuple) -> None:
        """
        @param names: of this listener beside C{localhost}: the machine's.
        @param more: those that the settings add, asked for with each request.
        """
        self.names = frozenset(_canonical(name) for name in names) | {"localhost"}
        self._more = more

    def check(self, method: str, peer: Peer, hosts: tuple[str, ...], origins: tuple[str, ...]) -> None:
        """
        @param hosts: the values of all C{Host} fields.
        @param origins: the values of all C{Origin} fields.

        @raise Problem: C{host-refused} or C{origin-refused}.
        """
        if not peer.is_unix and not (len(hosts) == 1 and self._is_ours(hosts[0], peer)):
            raise Problem(
                "host-refused",
                "The Host field does not name this listener; use its address, or add the name to the setting admin.names.",
            )
        if method in SAFE_METHODS or not origins:
            return
        wanted = f"https://{hosts[0].lower()}" if len(hosts) == 1 else ""
        if len(origins) != 1 or not wanted or _without_port(origins[0].lower()) != _without_port(wanted):
            raise Problem("origin-refused", "A page of another site may not change anything here.")

    def _is_ours(self, host: str, peer: Peer) -> bool:
        match = HOST.fullmatch(host)
        if match is None:
            return False
        name = _canonical(match[1] or match[2])
        if name in self.names or name in (_canonical(peer.local_address), *map(_canonical, self._more())):
            return True
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return False


def _canonical(name: str) -> str:
    name = name.lower().rstrip(".")
    try:
        found = ip_address(name.partition("%")[0])
    except ValueError:
        return name
    return str(getattr(found, "ipv4_mapped", None) or found)


def _without_port(origin: str) -> str:
    # A browser leaves out 443 where curl may name it.
    return origin.removesuffix(":443")
