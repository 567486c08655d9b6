"""
What is worth saying about a whole snapshot: warnings that no single certificate or setting shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..problems import Finding, Severity
from ..settings import Settings
from ..sites import Scheme, ServerCertificate, Site, Snapshot
from ._coverage import covering, first_https, is_valid, redirects
from ._ramp import missing_for_preload

__all__ = ["LONG_HSTS", "find"]

#: Above a day, a mistake outlives the working day on which it is found; seconds.
LONG_HSTS: Final = 86400

Trusted = Callable[[ServerCertificate], bool]


def find(settings: Settings, snapshot: Snapshot, now: float, trusted: Trusted) -> tuple[Finding, ...]:
    """
    Everything worth saying, in the order of the document's sites.
    """
    ramped = {site.name for site in settings.sites if site.hsts.ramp}
    found: list[Finding] = []
    for index, site in enumerate(snapshot.sites):
        pointer = f"/site/{index}"
        found.extend(_names(snapshot, site, pointer, now))
        if site.hsts.enabled:
            found.extend(_hsts(snapshot, pointer, _untrusted(snapshot, site, now, trusted)))
            if site.hsts.max_age > LONG_HSTS and site.name not in ramped:
                found.append(_long(site, pointer))
            if site.hsts.preload and (missing := missing_for_preload(snapshot, site, now, trusted)):
                found.append(_not_preloaded(missing, pointer))
        if redirects(site):
            found.extend(_redirect(snapshot, site, pointer, now, trusted))
    return tuple(found)


def _names(snapshot: Snapshot, site: Site, pointer: str, now: float) -> Iterator[Finding]:
    if not any(binding.scheme is Scheme.HTTPS for binding in snapshot.bindings):
        return
    for index, host in enumerate(site.hosts):
        if host != "*" and not covering(snapshot, host):
            yield Finding(
                "name-not-covered",
                Severity.WARNING,
                f"No certificate covers {host}, so browsers warn of it; add one for that name.",
                f"{pointer}/hosts/{index}",
            )


def _untrusted(snapshot: Snapshot, site: Site, now: float, trusted: Trusted) -> str:
    """
    The name of a certificate that clients of a site meet and do not trust, or an empty string.
    """
    for host in site.hosts:
        valid = [found for found in covering(snapshot, host) if is_valid(found, now)]
        if valid and not any(trusted(found) for found in valid):
            return valid[0].name
    return ""


def _hsts(snapshot: Snapshot, pointer: str, untrusted: str) -> Iterator[Finding]:
    if untrusted:
        yield Finding(
            "hsts-untrusted-certificate",
            Severity.WARNING,
            f"Browsers ignore HSTS over a certificate that they do not trust, and those that keep it cannot be clicked "
            f"past; replace certificate {untrusted} first.",
            f"{pointer}/hsts/enabled",
        )
    binding = first_https(snapshot)
    if binding is not None and binding.public_port != 443:
        yield Finding(
            "hsts-nonstandard-port",
            Severity.WARNING,
            f"Under HSTS a browser rewrites http URLs without a port to port 443, but HTTPS is at "
            f"{binding.public_port or 'another port'}; serve at 443 or set public_port.",
            f"{pointer}/hsts/enabled",
        )
        return
    for plain in snapshot.bindings:
        if plain.scheme is Scheme.HTTP and plain.public_port not in (0, 80):
            yield Finding(
                "hsts-nonstandard-port",
                Severity.WARNING,
                f"Under HSTS a browser asks for https at the port of any http URL that names one, but port "
                f"{plain.public_port} speaks plain HTTP; serve it at 80 or set public_port.",
                f"{pointer}/hsts/enabled",
            )


def _not_preloaded(missing: tuple[str, ...], pointer: str) -> Finding:
    return Finding(
        "hsts-preload-incomplete",
        Severity.WARNING,
        f"Browsers' built-in lists would refuse this site: {'; '.join(missing)}.",
        f"{pointer}/hsts/preload",
    )


def _long(site: Site, pointer: str) -> Finding:
    return Finding(
        "hsts-long-without-ramp",
        Severity.WARNING,
        f"Browsers insist on HTTPS for {site.hsts.max_age} seconds from their first visit on; ramp = true begins "
        "with minutes.",
        f"{pointer}/hsts/max_age",
    )


def _redirect(snapshot: Snapshot, site: Site, pointer: str, now: float, trusted: Trusted) -> Iterator[Finding]:
    untrusted = _untrusted(snapshot, site, now, trusted)
    if untrusted:
        yield Finding(
            "redirect-untrusted-certificate",
            Severity.WARNING,
            f"The redirect leads to certificate {untrusted}, which browsers do not trust and warn of.",
            f"{pointer}/redirect/mode",
        )
    for index, host in enumerate(site.hosts):
        if not any(is_valid(found, now) for found in covering(snapshot, host)):
            yield Finding(
                "no-valid-certificate",
                Severity.WARNING,
                f"The redirect leads {'other names' if host == '*' else host} to a certificate that does not cover it "
                "or is not within its dates.",
                f"{pointer}/hosts/{index}",
            )
