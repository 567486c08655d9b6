"""
Host to site: exact names, then one-label wildcards, then the site of C{*}.

A L{Routes} is immutable; the gate swaps it for the next by one assignment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..policy import hsts_value
from ..sites import RedirectMode, Scheme, Site, Snapshot
from ..upstream import UpstreamGroup

__all__ = ["Routes", "ServedSite"]


class ServedSite:
    """
    A site with what serving it needs at hand.

    @ivar group: the servers of its upstream.
    @ivar hsts_line: the complete C{Strict-Transport-Security} line for HTTPS responses, or empty.
    @ivar redirects: does it send plain HTTP to HTTPS?
    @ivar hosts: its own names as bytes, for C{tls_offload_fixes}.
    """

    __slots__ = ("group", "hosts", "hsts_line", "name", "redirects", "site")

    def __init__(self, site: Site, group: UpstreamGroup, now: float) -> None:
        self.site = site
        self.name = site.name
        self.group = group
        self.hosts = frozenset(host.encode("ascii") for host in site.hosts if host != "*")
        self.redirects = site.redirect.mode in (RedirectMode.BROWSERS, RedirectMode.ALL)
        self.hsts_line = b""
        self.refresh(now)

    def refresh(self, now: float) -> None:
        """
        Work out again what depends on the time.

        @param now: Unix time.
        """
        value = hsts_value(self.site.hsts, now)
        line = b"Strict-Transport-Security: %b\r\n" % value if value else b""
        if line != self.hsts_line:
            self.hsts_line = line


class Routes:
    """
    Which site serves a host.
    """

    __slots__ = ("_by_host", "_by_parent", "_default", "https_port", "sites")

    def __init__(
        self, sites: Iterable[Site], groups: Mapping[str, UpstreamGroup], *, https_port: int, now: float
    ) -> None:
        """
        @param https_port: the first https binding's port as clients see it; 0 if there is none.
        @param now: Unix time.
        """
        self.https_port = https_port
        self._by_host: dict[bytes, ServedSite] = {}
        self._by_parent: dict[bytes, ServedSite] = {}
        self._default: ServedSite | None = None
        self.sites: list[ServedSite] = []
        for site in sites:
            served = ServedSite(site, groups[site.upstream], now)
            self.sites.append(served)
            for host in site.hosts:
                if host == "*":
                    self._default = served
                elif host.startswith("*."):
                    self._by_parent[host[2:].encode("ascii")] = served
                else:
                    self._by_host[_bracketed(host).encode("ascii")] = served

    @classmethod
    def of(
        cls, snapshot: Snapshot, groups: Mapping[str, UpstreamGroup], ports: Mapping[str, int], now: float
    ) -> Routes:
        """
        The routes of a snapshot.

        @param ports: the port that each binding listens on.
        """
        https_port = 0
        for binding in snapshot.bindings:
            if binding.scheme is Scheme.HTTPS:
                https_port = binding.public_port or ports.get(binding.name, 0)
                break
        return cls(snapshot.sites, groups, https_port=https_port, now=now)

    def find(self, host: bytes) -> ServedSite | None:
        """
        The site of a host, or C{None}.

        @param host: lower case, without port and trailing dot; an IPv6 literal in brackets.
        """
        found = self._by_host.get(host)
        if found is None and self._by_parent:
            _, _, parent = host.partition(b".")
            found = self._by_parent.get(parent)
        return found if found is not None else self._default


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
