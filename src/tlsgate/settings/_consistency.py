"""
What must hold between the objects of a settings document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import attrs

from ..problems import ProblemError
from ._schema import BindingSettings, CertificateSettings, SiteSettings, UpstreamSettings

__all__ = ["Objects", "inconsistencies"]

T = TypeVar("T", BindingSettings, SiteSettings, UpstreamSettings, CertificateSettings)

#: hstspreload.org refuses less.
PRELOAD_MAX_AGE = 31536000


@attrs.frozen(kw_only=True)
class Objects:
    """
    The objects of a document that are right in themselves, each with its index in the document's list.

    @ivar upstream_names: of all upstreams, also of those that are wrong in themselves.
    """

    bindings: Sequence[tuple[int, BindingSettings]]
    sites: Sequence[tuple[int, SiteSettings]]
    upstreams: Sequence[tuple[int, UpstreamSettings]]
    certificates: Sequence[tuple[int, CertificateSettings]]
    upstream_names: frozenset[str]


def inconsistencies(objects: Objects) -> Iterator[ProblemError]:
    """
    Everything that does not fit together.
    """
    yield from _duplicates("binding", objects.bindings)
    yield from _duplicates("site", objects.sites)
    yield from _duplicates("upstream", objects.upstreams)
    yield from _duplicates("certificate", objects.certificates)
    yield from _hosts(objects.sites)
    yield from _upstreams(objects)
    yield from _preload(objects.sites)
    yield from _addresses(objects.bindings)
    yield from _loops(objects)


def _duplicates(kind: str, entries: Sequence[tuple[int, T]]) -> Iterator[ProblemError]:
    seen: set[str] = set()
    for index, entry in entries:
        if entry.name in seen:
            yield ProblemError(f"/{kind}/{index}/name", "duplicate", f"There are two {kind}s named {entry.name!r}.")
        seen.add(entry.name)


def _hosts(sites: Sequence[tuple[int, SiteSettings]]) -> Iterator[ProblemError]:
    owners: dict[str, str] = {}
    for index, site in sites:
        for position, host in enumerate(site.hosts):
            pointer = f"/site/{index}/hosts/{position}"
            owner = owners.setdefault(host, site.name)
            if owner != site.name:
                message = f"The sites {owner!r} and {site.name!r} both serve {host}; a host belongs to one site."
                yield ProblemError(pointer, "conflict", message)
            elif host in site.hosts[:position]:
                yield ProblemError(pointer, "duplicate", f"The site {site.name!r} names {host} twice.")


def _upstreams(objects: Objects) -> Iterator[ProblemError]:
    for index, site in objects.sites:
        if site.upstream not in objects.upstream_names:
            known = ", ".join(sorted(objects.upstream_names)) or "none"
            message = f"There is no upstream named {site.upstream!r}; there is: {known}."
            yield ProblemError(f"/site/{index}/upstream", "not-found", message)
    for index, upstream in objects.upstreams:
        seen: set[str] = set()
        for position, server in enumerate(upstream.servers):
            if server.url.url in seen:
                message = f"The upstream {upstream.name!r} names {server.url.url} twice."
                yield ProblemError(f"/upstream/{index}/servers/{position}/url", "duplicate", message)
            seen.add(server.url.url)
        if upstream.client_key_file and not upstream.client_certificate_file:
            message = "client_key_file needs client_certificate_file."
            yield ProblemError(f"/upstream/{index}/client_key_file", "conflict", message)


def _preload(sites: Sequence[tuple[int, SiteSettings]]) -> Iterator[ProblemError]:
    for index, site in sites:
        hsts = site.hsts
        if not hsts.preload:
            continue
        missing = []
        if not hsts.include_subdomains:
            missing.append("include_subdomains = true")
        if hsts.max_age < PRELOAD_MAX_AGE:
            missing.append(f"max_age of {PRELOAD_MAX_AGE} or more")
        if missing:
            message = f"preload needs {' and '.join(missing)}."
            yield ProblemError(f"/site/{index}/hsts/preload", "preload-conditions", message)


def _addresses(bindings: Sequence[tuple[int, BindingSettings]]) -> Iterator[ProblemError]:
    for position, (index, binding) in enumerate(bindings):
        for _, earlier in bindings[:position]:
            if binding.endpoint.overlaps(earlier.endpoint):
                message = (
                    f"The bindings {earlier.name!r} and {binding.name!r} both listen on {binding.endpoint.description}."
                )
                yield ProblemError(f"/binding/{index}/endpoint", "conflict", message)
                break


def _loops(objects: Objects) -> Iterator[ProblemError]:
    for index, upstream in objects.upstreams:
        for position, server in enumerate(upstream.servers):
            for _, binding in objects.bindings:
                if binding.endpoint.reaches(server.url.host, server.url.port) or (
                    binding.endpoint.path and binding.endpoint.path == server.url.path
                ):
                    message = (
                        f"{server.url.url} is this gate's own binding {binding.name!r}: requests would go in circles."
                    )
                    yield ProblemError(f"/upstream/{index}/servers/{position}/url", "loop", message)
