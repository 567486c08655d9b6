"""
Which ways into the gate a change could have broken: what the probe walks before the change is final.
"""

from __future__ import annotations

from collections.abc import Collection

import attrs

from ..sites import Binding, Scheme, ServerCertificate, Site, Snapshot
from ..tls import is_address
from ._coverage import covering, is_valid, redirects

__all__ = ["Path", "touched_paths"]

#: A change touches many names at most once each; more than these say nothing new and take time.
MOST_PATHS = 8


@attrs.frozen(kw_only=True)
class Path:
    """
    A way into the gate.

    @ivar server_name: to send as SNI and C{Host}; empty for none.
    @ivar fingerprints: of the certificates that may answer, SHA-256 of the leaf's DER in hex.
    @ivar through: also send a request through to the upstream.
    """

    binding: Binding
    site: Site
    server_name: str
    fingerprints: frozenset[str]
    through: bool


def touched_paths(old: Snapshot | None, new: Snapshot, now: float, force: Collection[str]) -> list[Path]:
    """
    The https paths whose binding, certificate, redirect or HSTS a change touches.

    @param force: names of sites, bindings and certificates that are not to be probed.
    """
    paths = []
    ways = _Ways(old or Snapshot(generation=0), new, now)
    for binding in new.bindings:
        # A PROXY header would be needed, and who may send one is not for the gate to say.
        if binding.scheme is not Scheme.HTTPS or binding.name in force or binding.proxy_protocol:
            continue
        for site in new.sites:
            if site.name in force:
                continue
            for host in site.hosts[:MOST_PATHS]:
                path = ways.path(binding, site, host)
                if path is not None and not any(
                    found.name in force for found in new.certificates.values() if found.fingerprint in path.fingerprints
                ):
                    paths.append(path)
    return paths[:MOST_PATHS]


@attrs.frozen
class _Ways:
    """
    Two snapshots at one moment.
    """

    old: Snapshot
    new: Snapshot
    now: float

    def path(self, binding: Binding, site: Site, host: str) -> Path | None:
        """
        The path of a host name over a binding, if the change touches it.
        """
        answering = _answering(self.new, binding, host, self.now)
        earlier = next((found for found in self.old.sites if found.name == site.name), None)
        insists = _insists(site) and (earlier is None or not _insists(earlier))
        untouched = binding in self.old.bindings and answering == _answering(self.old, binding, host, self.now)
        if not answering or (untouched and not insists):
            return None
        return Path(
            binding=binding,
            site=site,
            server_name=_server_name(host),
            fingerprints=frozenset(found.fingerprint for found in answering),
            through=insists,
        )


def _insists(site: Site) -> bool:
    """
    Does the site send its clients to HTTPS, or keep them there?
    """
    return redirects(site) or site.hsts.enabled


def _answering(snapshot: Snapshot, binding: Binding, host: str, now: float) -> list[ServerCertificate]:
    if host == "*":
        if binding.strict_sni:
            return []
        default = snapshot.certificates.get(binding.default_certificate)
        found = [] if default is None else [default]
    else:
        found = covering(snapshot, host)
    return [certificate for certificate in found if is_valid(certificate, now)] or found


def _server_name(host: str) -> str:
    """
    A name to ask for: RFC 6066 §3 allows no address, and C{*} is asked for with no name.
    """
    if host == "*" or is_address(host):
        return ""
    return "tlsgate-probe" + host[1:] if host.startswith("*.") else host
