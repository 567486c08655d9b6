"""
The lock-out guard: changes after which people could no longer get in, refused with what to change first.

Pure functions over the snapshot that serves, the one that is to serve, and the time.  What was wrong before is never
held against a change: an expired certificate does not refuse the upload that replaces it, nor anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import attrs

from ..problems import Problem
from ..settings import Settings, StoredCertificate
from ..sites import Scheme, ServerCertificate, Site, Snapshot
from ._coverage import covering, first_https, is_valid, redirects, uncovered

__all__ = ["guard", "guard_use"]

Trusted = Callable[[ServerCertificate], bool]


def guard_use(settings: Settings, old: Mapping[str, StoredCertificate], new: Mapping[str, StoredCertificate]) -> None:
    """
    Refuse to remove a certificate that a binding names.

    @raise Problem: C{in-use}; nothing overrides it, as the binding could not serve.
    """
    for name in sorted(old.keys() - new.keys()):
        users = [
            binding.name
            for binding in settings.bindings
            if binding.scheme == "https" and (binding.default_certificate or "default") == name
        ]
        if users:
            raise Problem(
                "in-use",
                f"Certificate {name} is the default certificate of binding {users[0]}; "
                "give that binding another default certificate first.",
                used_by=users,
            )


def guard(old: Snapshot | None, new: Snapshot, now: float, force: Collection[str], trusted: Trusted) -> None:
    """
    Refuse a change after which a site's clients could not get in.

    @param force: names of sites, bindings and certificates that are not to be protected.
    @param trusted: does a certificate chain to a root of this machine?

    @raise Problem: C{no-valid-certificate}, C{would-lock-out}.
    """
    change = _Change(old=old or Snapshot(generation=0), new=new, now=now, force=frozenset(force), trusted=trusted)
    for site in new.sites:
        if site.name not in force:
            change.guard_https(site)
            change.guard_names(site)
            change.guard_trust(site)


@attrs.frozen(kw_only=True)
class _Change:
    """
    One change, as the guard sees it.
    """

    old: Snapshot
    new: Snapshot
    now: float
    force: frozenset[str]
    trusted: Trusted

    def guard_https(self, site: Site) -> None:
        """
        The last https binding stays while a site needs it.
        """
        gone = [binding.name for binding in self.old.bindings if binding.scheme is Scheme.HTTPS]
        if first_https(self.new) or not gone or not _needs_https(site) or self.force & set(gone):
            return
        raise Problem(
            "would-lock-out",
            f"Site {site.name} {_need(site)}, and {gone[0]} is the last https binding; turn that off first, "
            f"or force={gone[0]}.",
            step="binding",
            object=gone[0],
        )

    def guard_names(self, site: Site) -> None:
        """
        A redirect begins only, and goes on like HSTS, where a certificate within its dates answers.
        """
        earlier = self._earlier(site)
        missing = uncovered(self.new, site, self.now)
        if earlier is not None and _needs_https(earlier):
            already = set(uncovered(self.old, earlier, self.now))
            for host in missing:
                if host in earlier.hosts and host not in already and _needs_https(site):
                    self._refuse_loss(site, host)
            if redirects(earlier):
                missing = [host for host in missing if host not in earlier.hosts]
        if missing and redirects(site):
            raise Problem(
                "no-valid-certificate",
                f"Site {site.name} cannot redirect to HTTPS: {_why(self.new, missing[0], self.now)}. "
                f"Add a certificate first, or force={site.name}.",
                object=site.name,
                hosts=missing,
            )

    def guard_trust(self, site: Site) -> None:
        """
        Under HSTS a browser offers no way around a certificate that it does not trust.
        """
        earlier = self._earlier(site)
        if earlier is None or not (earlier.hsts.enabled and site.hsts.enabled):
            return
        for host in site.hosts:
            before, after = self._valid(self.old, host), self._valid(self.new, host)
            names = {found.name for found in (*before, *after)}
            if not after or self.force & names or any(map(self.trusted, after)) or not any(map(self.trusted, before)):
                continue
            raise Problem(
                "would-lock-out",
                f"Site {site.name} has HSTS, and no certificate that browsers trust serves "
                f"{_spell(host)} after this change. Turn HSTS off first, or force={after[0].name}.",
                step="chain",
                object=after[0].name,
            )

    def _earlier(self, site: Site) -> Site | None:
        return next((earlier for earlier in self.old.sites if earlier.name == site.name), None)

    def _valid(self, snapshot: Snapshot, host: str) -> list[ServerCertificate]:
        return [found for found in covering(snapshot, host) if is_valid(found, self.now)]

    def _refuse_loss(self, site: Site, host: str) -> None:
        """
        Refuse to take the last valid certificate of a name away, unless what goes is forced.
        """
        lost = sorted(found.name for found in self._valid(self.old, host))
        if self.force & {*lost, *(binding.name for binding in self.old.bindings)}:
            return
        raise Problem(
            "would-lock-out",
            f"Site {site.name} {_need(site)}, and after this change {_why(self.new, host, self.now)}. "
            f"Add another certificate or turn that off first, or force={lost[0]}.",
            step="certificate",
            object=lost[0],
        )


def _needs_https(site: Site) -> bool:
    return redirects(site) or site.hsts.enabled


def _need(site: Site) -> str:
    return "redirects to HTTPS" if redirects(site) else "has HSTS"


def _spell(host: str) -> str:
    return "other names" if host == "*" else host


def _why(snapshot: Snapshot, host: str, now: float) -> str:
    """
    Why a name has no valid certificate.
    """
    found = covering(snapshot, host)
    name = _spell(host)
    if not found:
        return f"no certificate covers {name}"
    if all(certificate.not_before > now for certificate in found):
        return f"the certificate for {name} is not valid yet"
    return f"the certificate for {name} has expired"
