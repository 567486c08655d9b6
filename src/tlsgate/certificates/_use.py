"""
Who would miss a certificate.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ..sites import ServerCertificate, Snapshot
from ..tls import wildcard_for

__all__ = ["Users"]


@attrs.frozen
class Users:
    """
    The bindings and sites of a snapshot, ready to be asked about thousands of certificates.

    @ivar bindings: by the name of their default certificate.
    @ivar sites: by a host of theirs, and by the wildcard that covers it.
    """

    bindings: Mapping[str, list[str]]
    sites: Mapping[str, list[str]]

    @classmethod
    def of(cls, snapshot: Snapshot) -> Users:
        """
        Those of a snapshot.
        """
        bindings: dict[str, list[str]] = {}
        for binding in snapshot.bindings:
            bindings.setdefault(binding.default_certificate, []).append(f"binding {binding.name}")
        sites: dict[str, list[str]] = {}
        for site in snapshot.sites:
            for name in {each for host in site.hosts for each in (host, wildcard_for(host)) if each}:
                sites.setdefault(name, []).append(f"site {site.name}")
        return cls(bindings, sites)

    def of_certificate(self, certificate: ServerCertificate) -> tuple[str, ...]:
        """
        What would miss a certificate: bindings that have it as their default, and sites with a host that it covers.
        """
        users = dict.fromkeys(self.bindings.get(certificate.name, ()))
        for name in certificate.names:
            users.update(dict.fromkeys(self.sites.get(name, ())))
        return tuple(users)
