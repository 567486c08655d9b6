"""
Equal bytes, equal meaning: what a field section comes to on one connection, worked out once.

A keep-alive client sends the same fields again and again; only the request line changes.  A L{RequestMeaning} holds everything
that depends on the fields, the connection and the routes; a L{ResponseMeaning} what depends on the fields and the site.
Both are kept
on the L{Fields} object, which its reader compares by bytes.  New routes make them stale, and so does a new HSTS value.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from ..errors import GateError, MalformedRequest
from ..http1 import Fields
from ..policy import (
    client_address,
    downstream_fields,
    hops_left,
    is_secure,
    is_trusted,
    kept_request_id,
    offload,
    upstream_fields,
    with_hops_left,
)

if TYPE_CHECKING:
    from ..counters import Counters
    from ._channel import Channel
    from ._plain import PlainMeaning
    from ._plane import Plane
    from ._routing import Routes, ServedSite

__all__ = ["RequestMeaning", "ResponseMeaning"]


class LoopDetected(GateError):
    """
    The request has been through this gate before.
    """

    status = 508
    code = "loop-detected"


class RequestMeaning:
    """
    What a request's fields mean on one connection.

    @ivar routes: those it was worked out with.
    @ivar site: whose request it is; C{None} with a C{refusal}.
    @ivar refusal: what every request with these fields gets, or C{None}.
    @ivar upstream_fields: the complete field lines for the upstream, but for C{X-Request-ID} and framing.
    @ivar request_id: the client's, where the peer is trusted; else empty.
    @ivar upgrade: the C{Upgrade} that may become a tunnel; else empty.
    @ivar secure: did the client use HTTPS, here or at a trusted peer?
    @ivar plain: what they mean over plain HTTP, once that was asked; see L{_plain}.
    @ivar seen_at: when the report last heard of this client over HTTPS; see L{Exchange.begin}.
    @ivar client_ip: the client's address, and C{client_rule} what chose it.
    @ivar counts_hops: is there a C{Max-Forwards}?  It means something to some methods only.
    """

    __slots__ = (
        "_fields",
        "client_ip",
        "client_rule",
        "counts_hops",
        "keep_alive",
        "keep_alive_1_0",
        "plain",
        "referer",
        "refusal",
        "request_id",
        "routes",
        "secure",
        "seen_at",
        "site",
        "upgrade",
        "upstream_fields",
        "user_agent",
    )

    def __init__(self, fields: Fields, channel: Channel, plane: Plane, upgrades: bool = True) -> None:
        """
        @param upgrades: may the connection become a tunnel?
        """
        self._fields = fields
        self.routes: Routes = plane.routes
        binding = channel.binding
        options = fields.connection
        self.keep_alive = b"close" not in options
        self.keep_alive_1_0 = b"keep-alive" in options and self.keep_alive
        self.user_agent = fields.get(b"user-agent") or b""
        self.referer = fields.get(b"referer") or b""
        self.client_ip = channel.peer_ip
        self.client_rule = "peer"
        self.secure: bool = binding.secure
        self.request_id = b""
        self.plain: PlainMeaning | None = None
        self.seen_at = 0.0
        self.upgrade = b""
        self.upstream_fields = b""
        self.counts_hops = fields.get(b"max-forwards") is not None
        self.refusal: GateError | None = None
        self.site: ServedSite | None = self.routes.find(fields.host)
        site = self.site
        self.refusal = self._refusal(channel, plane)
        if site is None or self.refusal is not None:
            return
        trusted = site.site.trusted_peers
        if trusted:
            client = client_address(channel.peer_ip, fields.lines, trusted)
            self.client_ip, self.client_rule = client.ip, client.rule
            self.secure = is_secure(self.secure, channel.peer_ip, fields.lines, trusted)
            self.request_id = kept_request_id(fields.lines, is_trusted(channel.peer_ip, trusted))
        upgrade = fields.get(b"upgrade") or b""
        # RFC 9113 section 3.1 deprecated h2c, and forwarding it would let a client speak past us.
        if upgrades and b"upgrade" in options and upgrade and b"h2c" not in upgrade.lower():
            self.upgrade = upgrade
        lines = fields.lines
        if not fields.hosts:
            # HTTP/1.0 need not have one, HTTP/1.1 must: where it came to is all that is known.
            lines = [(b"Host", _authority(channel.transport.host)), *lines]
        self.upstream_fields = upstream_fields(
            lines,
            peer=channel.peer_ip,
            site=site.site,
            secure=binding.secure,
            port=binding.port,
            connection_options=options,
        ) + (
            plane.via_line
            if not self.upgrade
            else plane.via_line + b"Connection: Upgrade\r\nUpgrade: %b\r\n" % self.upgrade
        )

    def _refusal(self, channel: Channel, plane: Plane) -> GateError | None:
        fields = self._fields
        if self.site is None:
            return MalformedRequest("No site is configured for this host.", 404, "no-site")
        expect = fields.get(b"expect")
        if expect is not None and expect.lower() != b"100-continue":
            return MalformedRequest("The expectation cannot be met.", 417, "expectation")
        via = fields.get(b"via")
        if via is not None and any(plane.identity in value for name, value in fields.lines if name.lower() == b"via"):
            return LoopDetected("The request has been through this gate before: an upstream leads back to it.")
        if channel.binding.strict:
            name = channel.transport.server_name.encode("ascii", "replace")
            if name and self.routes.find(name) is not self.site:
                return MalformedRequest("This connection was made for another host.", 421, "misdirected")
        return None

    def reduce_target(self, method: bytes, target: bytes) -> bytes:
        """
        The target for the upstream of a request whose target is not in origin-form (RFC 9112 section 3.2).

        @raise MalformedRequest: it is in none of the forms that may be forwarded.
        """
        if method == b"CONNECT":
            raise MalformedRequest("CONNECT is not served here.", 501, "connect")
        if target == b"*":
            if method == b"OPTIONS":
                return target
            raise MalformedRequest("Only OPTIONS may have * for a target.", 400, "target")
        scheme, separator, rest = target.partition(b"://")
        if not separator or scheme.lower() not in (b"http", b"https"):
            raise MalformedRequest("The request target is malformed.", 400, "target")
        at = min((i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest))
        authority, path = rest[:at], rest[at:]
        # RFC 9112 section 3.2.2 lets the target win over a different Host.  Stricter: they must agree, since who reads
        # the other one could be made to see another site.
        host = self._fields.hosts[0] if self._fields.hosts else b""
        if authority.lower() != host.lower():
            raise MalformedRequest("The target names another host than the Host field.", 400, "target-host")
        if not path and method == b"OPTIONS":
            # RFC 9112 section 3.2.4
            return b"*"
        return path if path.startswith(b"/") else b"/" + path

    def one_hop_less(self) -> RequestMeaning | None:
        """
        What a C{TRACE} or C{OPTIONS} with C{Max-Forwards} means to the upstream; C{None} if this gate is to answer it.

        @raise MalformedRequest: it is no number, or there are several.
        """
        try:
            hops = hops_left(self._fields.lines)
        except ValueError:
            raise MalformedRequest("The Max-Forwards field is malformed.", 400, "max-forwards") from None
        if hops == 0:
            return None
        less = copy(self)
        less.upstream_fields = with_hops_left(self.upstream_fields, hops - 1)
        return less

    def hash_key(self, what: str, target: bytes) -> bytes:
        """
        What C{consistent-hash} hashes for a request.
        """
        if what == "target":
            return target
        if what.startswith("field:"):
            return self._fields.get(what[6:].lower().encode("ascii")) or b""
        return self.client_ip.encode("ascii")


class ResponseMeaning:
    """
    What a response's fields become for the client.

    @ivar fields: complete lines, with C{Content-Length} where it frames the content.
    @ivar fields_without_length: the same without it.
    @ivar dated: is there a C{Date}?
    @ivar lasting: is it the same for every request of the site?
    @ivar offload: what shows that the upstream does not know of its TLS, and how often, to be counted for each response.
    """

    __slots__ = (
        "dated",
        "fields",
        "fields_without_length",
        "hsts_line",
        "keep_alive",
        "keep_alive_1_0",
        "lasting",
        "offload",
        "secure",
        "site",
    )

    def __init__(self, fields: Fields, site: ServedSite | None, secure: bool, plane: Plane, host: bytes = b"") -> None:
        """
        @param site: C{None} for an interim response.
        @param host: of the request, lower case, without port.
        """
        self.site = site
        self.secure = secure
        self.hsts_line = b"" if site is None else site.hsts_line
        options = fields.connection
        self.keep_alive = b"close" not in options
        self.keep_alive_1_0 = b"keep-alive" in options and self.keep_alive
        self.dated = fields.get(b"date") is not None
        self.lasting = True
        self.offload: Mapping[str, int] = {}
        sent = fields.lines
        if site is not None and secure:
            location = fields.get(b"location")
            hosts = site.hosts
            if location is not None and location[:7].lower() == b"http://" and "*" in "".join(site.site.hosts):
                # A wildcard's upstream may name any of its hosts, so what its Location means depends on who asked.
                self.lasting = False
                hosts |= {host}
            fix = site.site.tls_offload_fixes
            sent, self.offload = offload(sent, hosts, https_port=plane.routes.https_port, fix=fix)
        lines = downstream_fields(sent, options)
        tail = self.hsts_line if secure else b""
        own = [b"%b: %b\r\n" % line for line in lines if line[0].lower() != b"content-length"]
        self.fields_without_length = b"".join(own) + tail
        self.fields = self.fields_without_length
        if fields.content_length >= 0:
            self.fields += b"Content-Length: %d\r\n" % fields.content_length

    def count_offload(self, counters: Counters) -> None:
        """
        A response of this meaning goes out.
        """
        assert self.site is not None
        for what, count in self.offload.items():
            counters.offload[self.site.name, what] += count


def _authority(host: Any) -> bytes:
    # Of our own raw address.
    if not isinstance(host, tuple):
        return b"localhost"
    name = host[0].partition("%")[0]
    return (f"[{name}]:{host[1]}" if ":" in name else f"{name}:{host[1]}").encode("ascii")
