"""
Which certificates serve the names of a site.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..sites import Binding, RedirectMode, Scheme, ServerCertificate, Site, Snapshot
from ..tls import by_name, wildcard_for

__all__ = ["covering", "first_https", "is_valid", "redirects", "serving", "uncovered"]

ALL_OTHERS = "*"


def is_valid(certificate: ServerCertificate, now: float) -> bool:
    """
    Is it within its dates?
    """
    return certificate.not_before <= now < certificate.not_after


def redirects(site: Site) -> bool:
    """
    Does the site send clients to HTTPS?
    """
    return site.redirect.mode in (RedirectMode.BROWSERS, RedirectMode.ALL)


def first_https(snapshot: Snapshot) -> Binding | None:
    """
    The binding that redirects lead to.
    """
    return next((binding for binding in snapshot.bindings if binding.scheme is Scheme.HTTPS), None)


def covering(snapshot: Snapshot, host: str) -> list[ServerCertificate]:
    """
    The certificates that serve one of a site's names, valid or not.

    @param host: as in L{Site.hosts}; C{*} is served by the default certificate of the first https binding.
    """
    binding = first_https(snapshot)
    if binding is None:
        return []
    if host == ALL_OTHERS:
        default = snapshot.certificates.get(binding.default_certificate)
        return [] if default is None else [default]
    named = by_name(snapshot.certificates)
    # A site's wildcard is covered by the same wildcard only: a certificate has no narrower way to say it.
    names = dict.fromkeys((host, wildcard_for(host)))
    found = {certificate.name: certificate for name in names for certificate in named.get(name, ())}
    return list(found.values())


def serving(snapshot: Snapshot, site: Site, now: float) -> Iterator[ServerCertificate]:
    """
    The certificates that clients of a site meet: the valid ones for each name, else the invalid ones.
    """
    for host in site.hosts:
        found = covering(snapshot, host)
        yield from [certificate for certificate in found if is_valid(certificate, now)] or found


def uncovered(snapshot: Snapshot, site: Site, now: float) -> list[str]:
    """
    The names of a site that no certificate within its dates serves.
    """
    return [
        host for host in site.hosts if not any(is_valid(certificate, now) for certificate in covering(snapshot, host))
    ]
