"""
The settings document as a frozen model: TOML for people, JSON in the API, one schema.

Keys are those of the document (C{binding}, C{site}, ...); attributes of lists are plural.  Durations are seconds,
sizes are bytes.  Nothing here looks beyond one object: what must hold between them is in L{_consistency}.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ._secrets import Secret
from ._values import (
    URL,
    EndpointValue,
    Exemption,
    Host,
    Many,
    Name,
    NetworkValue,
    PathText,
    SecretValue,
)

__all__ = [
    "ACMESettings",
    "AdminSettings",
    "AlertSettings",
    "BindingSettings",
    "CertificateSettings",
    "GenerationSettings",
    "HSTSSettings",
    "HealthSettings",
    "LimitSettings",
    "LogSettings",
    "RedirectSettings",
    "ServerSettings",
    "Settings",
    "SiteSettings",
    "TimeoutSettings",
    "UpstreamSettings",
]

DAY = 86400
YEAR = 365 * DAY

Seconds = Annotated[float, Field(gt=0, le=10 * YEAR, allow_inf_nan=False)]
SecondsOrZero = Annotated[float, Field(ge=0, le=10 * YEAR, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Bytes = Annotated[int, Field(ge=0, le=2**53)]
Text = Annotated[str, Field(max_length=4096)]


class _Table(BaseModel):
    """
    A table of the document: immutable, no other keys, no conversions between types.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class BindingSettings(_Table):
    """
    An address that clients connect to.
    """

    name: Name
    """Unique among the bindings."""
    scheme: Literal["http", "https"]
    """Whether the gate terminates TLS here."""
    endpoint: EndpointValue
    """Where it listens: a port, or a Twisted server endpoint (tcp, tcp6, unix, systemd)."""
    public_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """The port as clients see it (port forwarding, containers); 0 for the endpoint's own."""
    default_certificate: Annotated[str, Field(max_length=128)] = ""
    """Serves server names that no certificate covers; empty for "default", else any."""
    tls_profile: Literal["intermediate", "modern"] = "intermediate"
    """Mozilla's: intermediate is TLS 1.2 and 1.3, modern is TLS 1.3 only."""
    strict_sni: bool = False
    """Refuse server names that no certificate covers, with unrecognized_name."""
    proxy_protocol: Many[NetworkValue] = ()
    """Networks that must begin with a PROXY header."""


class RedirectSettings(_Table):
    """
    A site's redirect from HTTP to HTTPS.
    """

    mode: Literal["disabled", "report", "browsers", "all"] = "disabled"
    """Which plain-HTTP requests are redirected; report counts those that would be."""
    status: Literal["auto", 301, 302, 307, 308] = "auto"
    """auto is 307 with no-store during the soak, then 308."""
    soak: SecondsOrZero = float(DAY)
    """How long after a change a redirect is not yet permanent, seconds."""
    exempt: Many[Exemption] = ()
    """Never redirected: prefixes of the request target (beginning with a slash) and networks of clients."""


class HSTSSettings(_Table):
    """
    A site's HTTP Strict Transport Security policy (RFC 6797).
    """

    enabled: bool = False
    """Send Strict-Transport-Security on HTTPS."""
    max_age: Annotated[int, Field(ge=0, le=10 * YEAR)] = 3600
    """How long browsers insist on HTTPS, seconds; with a ramp, the goal."""
    include_subdomains: bool = False
    """Also for all subdomains, whoever serves them."""
    preload: bool = False
    """Consent to browsers' built-in lists; needs include_subdomains and a max_age of 31536000."""
    ramp: bool = False
    """Walk 300, 3600, 86400, 2592000, 31556926 up to max_age."""
    ramp_hold: Seconds = 7.0 * DAY
    """How long each step of the ramp is held, seconds."""


class SiteSettings(_Table):
    """
    What one set of host names serves.
    """

    name: Name
    """Unique among the sites."""
    hosts: Annotated[Many[Host], Field(min_length=1)]
    """Exact names, *.example.com, IP addresses, or * for all others; each at one site only."""
    upstream: Name
    """Name of the upstream that answers."""
    redirect: RedirectSettings = RedirectSettings()
    """From HTTP to HTTPS."""
    hsts: HSTSSettings = HSTSSettings()
    """HTTP Strict Transport Security."""
    max_body: Bytes = 0
    """Largest content of a request, bytes; 0 for unlimited."""
    trusted_peers: Many[NetworkValue] = ()
    """Networks whose X-Forwarded-* and X-Request-ID are believed."""
    forwarded: bool = False
    """Also send Forwarded (RFC 7239) to the upstream."""
    plaintext_credentials: Literal["allow", "count", "refuse"] = "count"
    """What happens to credentials sent over plain HTTP."""
    tls_offload_fixes: bool = False
    """Rewrite Location: http://own-host and add Secure to cookies over HTTPS."""


class ServerSettings(_Table):
    """
    One origin server of an upstream.
    """

    url: URL
    """http://host:port, https://host[:port] (verified), http+unix:/path, or demo: for the demo application."""
    drain: bool = False
    """Finish what runs, start nothing new."""


class HealthSettings(_Table):
    """
    How an upstream's servers are found to be up or down.
    """

    path: Annotated[str, Field(max_length=4096, pattern=r"^(/[!-~]*)?$")] = ""
    """Request target of active checks; empty for passive checks only."""
    interval: Seconds = 10.0
    """Between checks, seconds."""
    timeout: Seconds = 5.0
    """Until a check has failed, seconds."""
    failures: Annotated[int, Field(ge=1, le=1000)] = 3
    """Consecutive failures that eject a server."""
    successes: Annotated[int, Field(ge=1, le=1000)] = 2
    """Consecutive successful checks that restore one."""
    eject_for: Seconds = 10.0
    """How long a server ejected by passive checks stays out when there is no path, seconds."""


class UpstreamSettings(_Table):
    """
    A named group of origin servers.
    """

    name: Name
    """Unique among the upstreams."""
    servers: Annotated[Many[ServerSettings], Field(min_length=1)]
    """One or more; requests are spread over them."""
    selection: Literal["least-outstanding", "round-robin", "consistent-hash"] = "least-outstanding"
    """How a server is picked for a request."""
    hash_key: Annotated[str, Field(pattern=r"^(client_ip|target|field:[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128})$")] = (
        "client_ip"
    )
    """What consistent-hash hashes: client_ip, target or field:NAME."""
    health: HealthSettings = HealthSettings()
    """Active and passive checks."""
    ca_file: PathText = ""
    """Trust anchors for https servers, PEM; empty for the system's."""
    client_certificate_file: PathText = ""
    """Certificate (and chain) shown to https servers, PEM."""
    client_key_file: PathText = ""
    """Its private key, unencrypted PEM; empty if it is in client_certificate_file."""
    server_name: Annotated[str, Field(max_length=253)] = ""
    """SNI and the name to verify on https servers; empty for the host of the URL."""
    max_connections: Count = 0
    """To each server, per worker; 0 for unlimited."""
    max_idle: Count = 128
    """Idle connections kept to each server, per worker."""
    queue: Count = 256
    """Exchanges that may wait for a connection, per worker."""
    queue_timeout: SecondsOrZero = 10.0
    """How long an exchange waits before 503, seconds."""
    proxy_protocol: Literal[0, 1, 2] = 0
    """Version of the PROXY header sent to the servers; 0 for none."""


class CertificateSettings(_Table):
    """
    A certificate in files that are watched; uploaded ones live in the state folder.
    """

    name: Name
    """Unique among the certificates."""
    certificate_file: Annotated[PathText, Field(min_length=1)]
    """PEM or DER; the leaf, and usually its chain."""
    key_file: PathText = ""
    """Its private key; empty if it is in certificate_file."""
    chain_file: PathText = ""
    """Intermediates, when they are in a file of their own."""
    password: Annotated[SecretValue, Field(default_factory=Secret)]
    """Of an encrypted key; a string, { env = "NAME" } or { file = "PATH" }."""


class ACMESettings(_Table):
    """
    Where certificates are ordered (RFC 8555).
    """

    directory: Annotated[str, Field(max_length=2048, pattern=r"^https://[^\s/]+(/\S*)?$")] = (
        "https://acme-v02.api.letsencrypt.org/directory"
    )
    """The CA's directory."""
    email: Annotated[str, Field(max_length=320, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""
    """Contact of the account."""
    agree_terms: bool = False
    """Consent to the CA's terms of service; nothing is ordered without."""
    ca_file: PathText = ""
    """Trust for a private ACME CA, PEM."""
    eab_key_id: Text = ""
    """Key identifier of an external account binding."""
    eab_hmac_key: Annotated[SecretValue, Field(default_factory=Secret)]
    """Its HMAC key, base64url."""
    staging_directory: Annotated[str, Field(max_length=2048, pattern=r"^(https://[^\s/]+(/\S*)?)?$")] = ""
    """Where orders are rehearsed; empty for Let's Encrypt's own if the directory is Let's Encrypt's."""
    fallback_directory: Annotated[str, Field(max_length=2048, pattern=r"^(https://[^\s/]+(/\S*)?)?$")] = ""
    """A second CA, for when the first one has troubles of its own; empty for none."""
    fallback_eab_key_id: Text = ""
    """Key identifier of the second CA's external account binding."""
    fallback_eab_hmac_key: Annotated[SecretValue, Field(default_factory=Secret)]
    """Its HMAC key, base64url."""
    challenge: Literal["http-01", "tls-alpn-01", "dns-01"] = "http-01"
    """How names are proven where an order does not say; wildcards always use dns-01."""
    key_type: Literal["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"] = "ec-p256"
    """Of the certificates' keys."""
    profile: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._-]*$")] = ""
    """One of the CA's certificate profiles, as shortlived; empty for its default."""
    preferred_chain: Annotated[str, Field(max_length=128)] = ""
    """Common name of the root that the chain should end at, where the CA offers several."""
    renew_before: SecondsOrZero = 0.0
    """Renew when less than this is left, seconds; 0 for when the CA says (RFC 9773), else a third of the life."""
    parallel_orders: Annotated[int, Field(ge=1, le=100)] = 5
    """Orders that may run at once; the others wait."""
    http_01_port: Annotated[int, Field(ge=0, le=65535)] = 80
    """Where the CA's http-01 requests arrive; opened for their time if no binding listens there.  0 for never."""
    dns_provider: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9_]*$")] = ""
    """Makes the records of dns-01: a provider of dns-lexicon (extra dns), configured by its environment variables."""
    dns_hook: Annotated[str, Field(max_length=128, pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")] = ""
    """Makes the records of dns-01: a program in acme/hooks of the state folder, run as HOOK present|cleanup NAME VALUE."""
    dns_wait: SecondsOrZero = 30.0
    """How long new records take to reach all name servers, seconds."""
    dns_resolver: Annotated[str, Field(max_length=300, pattern=r"^([^\s/]+:[0-9]{1,5})?$")] = ""
    """DNS server that is asked before an order, and for the zone of a name, as address:port; empty for the machine's."""


class AlertSettings(_Table):
    """
    Who is told when what is served is wrong or about to be.
    """

    webhook: Annotated[SecretValue, Field(default_factory=Secret)]
    """URL that receives alerts as JSON; may itself be a secret."""
    webhook_secret: Annotated[SecretValue, Field(default_factory=Secret)]
    """Signs what is sent (HMAC-SHA256)."""
    days: Many[Annotated[int, Field(ge=0, le=365)]] = (30, 14, 7, 1)
    """Days before the end of a certificate on which an alert is sent."""
    mail_to: Many[Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]] = ()
    """Addresses that get alerts by mail."""
    mail_from: Annotated[str, Field(max_length=320, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""
    """Sender of the mail."""
    smtp: Annotated[str, Field(max_length=300, pattern=r"^([^\s:/]+:[0-9]{1,5})?$")] = ""
    """Mail server as host:port."""
    smtp_user: Text = ""
    """Name to log in with; empty for none."""
    smtp_password: Annotated[SecretValue, Field(default_factory=Secret)]
    """Its password."""


class AdminSettings(_Table):
    """
    The listener of the admin API; where it listens is an option of the command.
    """

    names: Many[Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:-]*$")]] = ()
    """More names under which it is asked for: they stand in its certificate, and are taken as Host."""
    client_ca_file: PathText = ""
    """PEM file with the CAs of client certificates, verified in the handshake; empty asks for none."""
    client_certificate: Literal["required", "optional"] = "required"
    """With client_ca_file: whether a client without a certificate is refused."""


class TimeoutSettings(_Table):
    """
    All in seconds.  None limits the total time of an exchange.
    """

    handshake: Seconds = 10.0
    """For a TLS handshake."""
    head: Seconds = 15.0
    """For the head of a request, once it began."""
    idle: Seconds = 75.0
    """Between requests of one connection."""
    body: Seconds = 60.0
    """Without a byte of content in either direction."""
    connect: Seconds = 5.0
    """For a connection to a server of an upstream, the resolution of its name included."""
    first_byte: Seconds = 300.0
    """Until the upstream begins to answer."""
    tunnel: Seconds = 3600.0
    """Without a byte in a tunnel."""
    drain: SecondsOrZero = 30.0
    """For running exchanges when a listener or the gate ends."""


class LimitSettings(_Table):
    """
    What one peer may cost.
    """

    target: Annotated[int, Field(ge=64, le=1 << 20)] = 16 * 1024
    """Bytes of a request target."""
    fields: Annotated[int, Field(ge=1024, le=1 << 20)] = 64 * 1024
    """Bytes of all field lines of a head."""
    field_lines: Annotated[int, Field(ge=8, le=10_000)] = 200
    """Lines of a head."""
    trailers: Annotated[int, Field(ge=0, le=1 << 20)] = 16 * 1024
    """Bytes of a trailer section."""
    trailer_lines: Annotated[int, Field(ge=0, le=10_000)] = 32
    """Lines of a trailer section."""
    chunk_line: Annotated[int, Field(ge=16, le=1 << 20)] = 4 * 1024
    """Bytes of a chunk-size line with its extensions."""
    held: Annotated[int, Field(ge=64 * 1024, le=1 << 28)] = 256 * 1024
    """Bytes held for one exchange in each direction."""
    interim: Annotated[int, Field(ge=1, le=1000)] = 32
    """1xx responses for one request."""
    connections: Count = 0
    """Open client connections, of all workers; 0 for what descriptors allow each."""
    connections_per_address: Count = 0
    """Open client connections per address, of all workers; 0 for unlimited."""
    body_rate: Count = 240
    """Bytes a second that a request body must reach; 0 for none."""
    body_rate_window: Seconds = 30.0
    """Seconds over which body_rate is averaged."""


class GenerationSettings(_Table):
    """
    How much history is kept; the current generation always is.
    """

    keep: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Newest generations that are kept, the current one included."""
    keep_for: SecondsOrZero = 0.0
    """Remove past generations older than this, seconds; 0 for never."""


class LogSettings(_Table):
    """
    The gate's own log; the access log is an option of the command.
    """

    level: Literal["debug", "info", "warn", "error"] = "info"
    """Least severe events that are logged."""
    format: Literal["text", "json"] = "text"
    """Lines for people, or an object for each event."""


class Settings(_Table):
    """
    Everything that can be set, in one document.
    """

    bindings: Annotated[Many[BindingSettings], Field(alias="binding")] = ()
    """Where clients connect."""
    sites: Annotated[Many[SiteSettings], Field(alias="site")] = ()
    """What host names serve."""
    upstreams: Annotated[Many[UpstreamSettings], Field(alias="upstream")] = ()
    """The servers behind the gate."""
    certificates: Annotated[Many[CertificateSettings], Field(alias="certificate")] = ()
    """Certificates in files that are watched."""
    certificates_folder: PathText = ""
    """A watched folder in which each NAME.pem (key, leaf, chain) is a certificate; empty for none."""
    acme: Annotated[ACMESettings, Field(default_factory=lambda: ACMESettings.model_validate({}))]
    """Certificates from an ACME CA."""
    alerts: Annotated[AlertSettings, Field(default_factory=lambda: AlertSettings.model_validate({}))]
    """Webhook and mail."""
    admin: AdminSettings = AdminSettings()
    """The admin API's listener."""
    timeouts: TimeoutSettings = TimeoutSettings()
    """Of the data plane."""
    limits: LimitSettings = LimitSettings()
    """Of the data plane."""
    generations: GenerationSettings = GenerationSettings()
    """History."""
    log: LogSettings = LogSettings()
    """The gate's own log."""
