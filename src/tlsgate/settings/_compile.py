"""
From L{Settings} to the L{Snapshot} that the data plane serves; the only writer of Snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..problems import ProblemError
from ..sites import (
    HSTS,
    Binding,
    Credentials,
    Health,
    Limits,
    Redirect,
    RedirectMode,
    Scheme,
    Selection,
    ServerCertificate,
    Site,
    Snapshot,
    Timeouts,
    Upstream,
)
from ..tls import normalise
from ._generations import SiteMemory, StoredCertificate
from ._schema import BindingSettings, HSTSSettings, RedirectSettings, Settings, SiteSettings, UpstreamSettings
from ._validation import invalid

__all__ = ["RAMP", "compile_snapshot", "effective_max_age", "ramp_steps"]

#: The steps of an HSTS ramp, seconds: five minutes, an hour, a day, thirty days, a year.
RAMP: Final = (300, 3600, 86400, 2592000, 31556926)

LARGEST_FILE: Final = 1024 * 1024

_NOTHING: Final[Mapping[str, ServerCertificate]] = {}


def compile_snapshot(
    settings: Settings,
    *,
    number: int,
    certificates: Mapping[str, StoredCertificate],
    memory: Mapping[str, SiteMemory],
    now: float,
    before: Mapping[str, ServerCertificate] = _NOTHING,
) -> Snapshot:
    """
    Build what the data plane serves.

    @param number: of the generation.
    @param certificates: everything that serves, by name, watched files included.
    @param memory: by site name.
    @param now: Unix time; a promise to browsers that ended before is not kept up.
    @param before: the certificates of another snapshot.  It becomes this one's, too, if it holds the same, so that what
        was made of it (an index of thousands of names) is of use again.

    @raise Problem: C{invalid-settings}: something that the settings name is not there, or a file of an upstream
        cannot be used; with every such error at once.
    """
    errors: list[ProblemError] = []
    errors.extend(_missing_certificates(settings, certificates))
    upstreams = tuple(_upstream(index, upstream, errors) for index, upstream in enumerate(settings.upstreams))
    if errors:
        raise invalid(errors)
    return Snapshot(
        generation=number,
        bindings=tuple(_binding(binding, certificates) for binding in settings.bindings),
        sites=tuple(_site(site, memory.get(site.name, SiteMemory()), now) for site in settings.sites),
        upstreams=upstreams,
        certificates=_served(certificates, before),
        timeouts=Timeouts(**settings.timeouts.model_dump()),
        limits=Limits(**settings.limits.model_dump()),
    )


def _served(
    certificates: Mapping[str, StoredCertificate], before: Mapping[str, ServerCertificate]
) -> Mapping[str, ServerCertificate]:
    made = {name: stored.certificate for name, stored in certificates.items()}
    same = made.keys() == before.keys() and all(before[name] is one for name, one in made.items())
    return before if same else made


def ramp_steps(goal: int) -> tuple[int, ...]:
    """
    The values of max-age that a ramp to C{goal} walks through, the goal last.
    """
    return (*(step for step in RAMP if step < goal), goal)


def effective_max_age(hsts: HSTSSettings, memory: SiteMemory) -> int:
    """
    The max-age to send now: the goal, or the ramp's present step.
    """
    if not hsts.ramp:
        return hsts.max_age
    steps = ramp_steps(hsts.max_age)
    return steps[max(0, min(memory.hsts_step, len(steps) - 1))]


def _missing_certificates(settings: Settings, certificates: Mapping[str, StoredCertificate]) -> Iterator[ProblemError]:
    for index, binding in enumerate(settings.bindings):
        if binding.scheme != "https":
            continue
        name = binding.default_certificate
        pointer = f"/binding/{index}/default_certificate"
        if name and name not in certificates:
            known = ", ".join(sorted(certificates)) or "none"
            message = (
                f"The binding {binding.name!r} names a certificate {name!r} that does not exist; there is: {known}."
            )
            yield ProblemError(pointer, "not-found", message)
        elif not certificates:
            yield ProblemError(
                pointer, "not-found", f"There is no certificate that the binding {binding.name!r} can use."
            )


def _binding(binding: BindingSettings, certificates: Mapping[str, StoredCertificate]) -> Binding:
    default = ""
    if binding.scheme == "https":
        default = binding.default_certificate or ("default" if "default" in certificates else min(certificates))
    return Binding(
        name=binding.name,
        scheme=Scheme(binding.scheme),
        endpoint=binding.endpoint.description,
        public_port=binding.public_port or binding.endpoint.port,
        default_certificate=default,
        tls_profile=binding.tls_profile,
        strict_sni=binding.strict_sni,
        proxy_protocol=binding.proxy_protocol,
    )


def _site(site: SiteSettings, memory: SiteMemory, now: float) -> Site:
    return Site(
        name=site.name,
        hosts=site.hosts,
        upstream=site.upstream,
        redirect=_redirect(site.redirect, memory),
        hsts=_hsts(site.hsts, memory, now),
        max_body=site.max_body,
        trusted_peers=site.trusted_peers,
        forwarded=site.forwarded,
        plaintext_credentials=Credentials(site.plaintext_credentials),
        tls_offload_fixes=site.tls_offload_fixes,
    )


def _redirect(redirect: RedirectSettings, memory: SiteMemory) -> Redirect:
    return Redirect(
        mode=RedirectMode(redirect.mode),
        status=0 if redirect.status == "auto" else int(redirect.status),
        changed_at=memory.redirect_changed_at,
        soak=redirect.soak,
        exempt_paths=tuple(exempt for exempt in redirect.exempt if isinstance(exempt, bytes)),
        exempt_networks=tuple(exempt for exempt in redirect.exempt if not isinstance(exempt, bytes)),
    )


def _hsts(hsts: HSTSSettings, memory: SiteMemory, now: float) -> HSTS:
    return HSTS(
        enabled=hsts.enabled,
        max_age=effective_max_age(hsts, memory),
        include_subdomains=hsts.include_subdomains,
        preload=hsts.preload,
        off_until=0.0 if hsts.enabled or memory.hsts_off_until <= now else memory.hsts_off_until,
    )


def _upstream(index: int, upstream: UpstreamSettings, errors: list[ProblemError]) -> Upstream:
    pointer = f"/upstream/{index}"
    ca_pem = client_certificate = b""
    if upstream.ca_file:
        try:
            ca_pem = _trust_anchors(upstream.ca_file)
        except ValueError as error:
            errors.append(ProblemError(f"{pointer}/ca_file", "unreadable", f"{error}."))
    if upstream.client_certificate_file:
        try:
            client_certificate = _client_certificate(upstream)
        except ValueError as error:
            errors.append(ProblemError(f"{pointer}/client_certificate_file", "unreadable", f"{error}."))
    server_name = normalise(upstream.server_name)
    if upstream.server_name and not server_name:
        message = f"{upstream.server_name!r} is not a host name."
        errors.append(ProblemError(f"{pointer}/server_name", "invalid-value", message))
    return Upstream(
        name=upstream.name,
        servers=tuple(attrs.evolve(server.url, drain=server.drain) for server in upstream.servers),
        selection=Selection(upstream.selection),
        health=Health(**upstream.health.model_dump()),
        ca_pem=ca_pem,
        client_certificate=client_certificate,
        server_name=server_name,
        hash_key=upstream.hash_key,
        max_connections=upstream.max_connections,
        max_idle=upstream.max_idle,
        queue=upstream.queue,
        queue_timeout=upstream.queue_timeout,
        proxy_protocol=upstream.proxy_protocol,
    )


def _trust_anchors(path: str) -> bytes:
    content = _content(path)
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        raise ValueError(f"{path} holds no readable PEM certificate") from None
    return content


def _client_certificate(upstream: UpstreamSettings) -> bytes:
    path = upstream.client_certificate_file
    key_path = upstream.client_key_file or path
    content = _trust_anchors(path)
    key_pem = content if key_path == path else _content(key_path)
    try:
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError):
        raise ValueError(f"{key_path} holds no readable unencrypted PEM key") from None
    if x509.load_pem_x509_certificates(content)[0].public_key() != key.public_key():
        raise ValueError(f"the key in {key_path} does not fit the certificate in {path}")
    return content if key_path == path else content.rstrip(b"\n") + b"\n" + key_pem


def _content(path: str) -> bytes:
    """
    A file's bytes; anything but a plain file (a folder, a FIFO that would block) is refused.
    """
    found = Path(path)
    try:
        if not found.is_file():
            raise ValueError(f"{path} is not a file")
        with found.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise ValueError(f"{path} is larger than 1 MiB")
    return content
