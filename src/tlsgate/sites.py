"""
The frozen model that both planes share: what is served, as plain values.

L{settings} compiles a document into a L{Snapshot}; the data plane serves one Snapshot at a time and swaps it for
the next by one assignment.  Everything here is immutable, complete, already validated, and made of plain Python
values, so that it can be pickled over the private link to a worker.  Times are seconds: durations as C{float},
instants as Unix time.  Sizes are bytes. Names are A-labels in lower case without a trailing dot.

This module imports neither twisted, OpenSSL nor socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import Final, TypeAlias

import attrs

__all__ = [
    "HSTS",
    "Binding",
    "Credentials",
    "Health",
    "Limits",
    "Network",
    "Redirect",
    "RedirectMode",
    "Scheme",
    "Selection",
    "Server",
    "ServerCertificate",
    "Site",
    "Snapshot",
    "Timeouts",
    "Upstream",
]

Network: TypeAlias = IPv4Network | IPv6Network

KIB: Final = 1024


class Scheme(Enum):
    """
    How a binding speaks to its clients.
    """

    HTTP = "http"
    HTTPS = "https"


class RedirectMode(Enum):
    """
    Which plain-HTTP requests a site answers with a redirect to HTTPS.
    """

    DISABLED = "disabled"
    REPORT = "report"
    BROWSERS = "browsers"
    ALL = "all"


class Credentials(Enum):
    """
    What a site does with a request that carries credentials over plain HTTP.
    """

    ALLOW = "allow"
    COUNT = "count"
    REFUSE = "refuse"


class Selection(Enum):
    """
    How one server of an upstream is picked for a request.
    """

    ROUND_ROBIN = "round-robin"
    LEAST_OUTSTANDING = "least-outstanding"
    CONSISTENT_HASH = "consistent-hash"


@attrs.frozen(kw_only=True)
class Redirect:
    """
    A site's redirect from HTTP to HTTPS.

    @ivar status: 0 for C{auto}: 307 with C{no-store} until C{changed_at + soak}, then 308; else 301, 302, 307 or 308.
    @ivar changed_at: when any of this was last changed, Unix time; the soak counts from here.
    @ivar soak: seconds.
    @ivar exempt_paths: prefixes of the request target that are never redirected.
    @ivar exempt_networks: clients that are never redirected.
    """

    mode: RedirectMode = RedirectMode.DISABLED
    status: int = 0
    changed_at: float = 0.0
    soak: float = 86400.0
    exempt_paths: tuple[bytes, ...] = ()
    exempt_networks: tuple[Network, ...] = ()


@attrs.frozen(kw_only=True)
class HSTS:
    """
    A site's HTTP Strict Transport Security policy (RFC 6797).

    @ivar max_age: the value to send now, seconds; with a ramp this is the present step, not the goal.
    @ivar off_until: while disabled, C{max-age=0} is sent until this Unix time; 0 if nothing was ever sent.
    """

    enabled: bool = False
    max_age: int = 3600
    include_subdomains: bool = False
    preload: bool = False
    off_until: float = 0.0


@attrs.frozen(kw_only=True)
class Site:
    """
    What one set of host names serves.

    @ivar hosts: exact names, C{*.example.com}, IP literals, or C{*} for all others.
    @ivar max_body: bytes of request content; 0 for unlimited.
    @ivar trusted_peers: networks whose forwarded fields are believed.
    @ivar forwarded: also send C{Forwarded} (RFC 7239) to the upstream.
    @ivar tls_offload_fixes: rewrite C{Location: http://own-host} and cookies without C{Secure}.
    """

    name: str
    hosts: tuple[str, ...]
    upstream: str
    redirect: Redirect = Redirect()
    hsts: HSTS = HSTS()
    max_body: int = 0
    trusted_peers: tuple[Network, ...] = ()
    forwarded: bool = False
    plaintext_credentials: Credentials = Credentials.COUNT
    tls_offload_fixes: bool = False


@attrs.frozen(kw_only=True)
class Server:
    """
    One origin server of an upstream.

    @ivar url: as configured; names the server in metrics, logs and the API.
    @ivar scheme: C{http}, C{https} or C{http+unix}.
    @ivar host: DNS name or IP literal without brackets; empty for C{http+unix}.
    @ivar path: the socket's path for C{http+unix}; else empty.
    @ivar drain: finish what runs, start nothing new.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str = ""
    drain: bool = False


@attrs.frozen(kw_only=True)
class Health:
    """
    Active health checks of an upstream's servers.

    @ivar path: the target to request; empty for passive checks only.
    @ivar interval: seconds between checks.
    @ivar timeout: seconds until a check has failed.
    @ivar failures: consecutive failures (active or passive) that eject a server.
    @ivar successes: consecutive successful checks that restore one.
    @ivar eject_for: seconds a server ejected by passive checks stays out when there is no C{path}.
    """

    path: str = ""
    interval: float = 10.0
    timeout: float = 5.0
    failures: int = 3
    successes: int = 2
    eject_for: float = 10.0


@attrs.frozen(kw_only=True)
class Upstream:
    """
    A named group of origin servers.

    @ivar ca_pem: trust anchors for C{https} servers, PEM; empty for the system's.
    @ivar client_certificate: certificate and key shown to C{https} servers, PEM; empty for none.
    @ivar server_name: SNI and the name to verify; empty for the server's host.
    @ivar hash_key: what C{consistent-hash} hashes: C{client_ip}, C{target} or a field name C{field:NAME}.
    @ivar max_connections: to each server, per worker; 0 for unlimited.
    @ivar max_idle: idle connections kept to each server, per worker.
    @ivar queue: exchanges that may wait for a connection, per worker.
    @ivar queue_timeout: seconds an exchange waits before 503.
    @ivar proxy_protocol: 0 for none, or the PROXY protocol version (1 or 2) to send.
    """

    name: str
    servers: tuple[Server, ...]
    selection: Selection = Selection.LEAST_OUTSTANDING
    health: Health = Health()
    ca_pem: bytes = b""
    client_certificate: bytes = attrs.field(default=b"", repr=False)
    server_name: str = ""
    hash_key: str = "client_ip"
    max_connections: int = 0
    max_idle: int = 128
    queue: int = 256
    queue_timeout: float = 10.0
    proxy_protocol: int = 0


@attrs.frozen(kw_only=True)
class ServerCertificate:
    """
    A leaf, its chain and its private key, checked to fit.

    @ivar chain: PEM, the leaf first, then its issuers in order, without the root.
    @ivar key: unencrypted PKCS#8 PEM; never shown.
    @ivar names: subjectAltName dNSNames (A-labels, lower case, may begin with C{*.}) and IP literals.
    @ivar not_before: Unix time.
    @ivar not_after: Unix time.
    @ivar key_type: C{rsa-2048}, C{ec-p256}, C{ed25519}, ...
    @ivar fingerprint: SHA-256 of the leaf's DER, lower hex.
    @ivar staple: the DER of an OCSP response to send in the handshake; empty for none.
    """

    name: str
    chain: bytes = attrs.field(repr=False)
    key: bytes = attrs.field(repr=False)
    names: tuple[str, ...]
    not_before: float
    not_after: float
    key_type: str
    fingerprint: str
    staple: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen(kw_only=True)
class Binding:
    """
    An address that clients connect to.

    @ivar endpoint: a Twisted server endpoint description (C{tcp:8443:interface=127.0.0.1}, C{unix:...},
        C{systemd:...}).
    @ivar public_port: the port as clients see it; 0 for the endpoint's own.
    @ivar default_certificate: name of the certificate for server names that no certificate covers; https only.
    @ivar tls_profile: C{intermediate} or C{modern}.
    @ivar strict_sni: refuse server names that no certificate covers with C{unrecognized_name}.
    @ivar proxy_protocol: networks that must begin with a PROXY header.
    """

    name: str
    scheme: Scheme
    endpoint: str
    public_port: int = 0
    default_certificate: str = ""
    tls_profile: str = "intermediate"
    strict_sni: bool = False
    proxy_protocol: tuple[Network, ...] = ()


@attrs.frozen(kw_only=True)
class Timeouts:
    """
    All in seconds.  None limits the total time of an exchange: bodies and tunnels end when they are I{idle} too long.
    """

    handshake: float = 10.0
    head: float = 15.0
    idle: float = 75.0
    body: float = 60.0
    connect: float = 5.0
    first_byte: float = 300.0
    tunnel: float = 3600.0
    drain: float = 30.0


@attrs.frozen(kw_only=True)
class Limits:
    """
    What one peer may cost.  Sizes in bytes; 0 means unlimited where noted.

    @ivar target: of a request target.
    @ivar fields: of all field lines of a head.
    @ivar field_lines: lines of a head.
    @ivar trailers: of all lines of a trailer section.
    @ivar trailer_lines: lines of a trailer section.
    @ivar chunk_line: of a chunk-size line with its extensions.
    @ivar held: bytes held for one exchange in each direction.
    @ivar interim: 1xx responses for one request.
    @ivar connections: open client connections, of all workers; 0 for what descriptors allow each.
    @ivar connections_per_address: open client connections per address, of all workers; 0 for unlimited.
    @ivar body_rate: bytes a second that a request body must reach, averaged over C{body_rate_window}; 0 for none.
    @ivar body_rate_window: seconds.
    """

    target: int = 16 * KIB
    fields: int = 64 * KIB
    field_lines: int = 200
    trailers: int = 16 * KIB
    trailer_lines: int = 32
    chunk_line: int = 4 * KIB
    held: int = 256 * KIB
    interim: int = 32
    connections: int = 0
    connections_per_address: int = 0
    body_rate: int = 240
    body_rate_window: float = 30.0


@attrs.frozen(kw_only=True)
class Snapshot:
    """
    Everything the data plane needs to serve one generation.

    @ivar certificates: by name; each serves its own names on every https binding.
    """

    generation: int
    bindings: tuple[Binding, ...] = ()
    sites: tuple[Site, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    certificates: Mapping[str, ServerCertificate] = attrs.field(factory=dict)
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
