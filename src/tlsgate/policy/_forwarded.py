"""
Who the client is and how it came, told to the upstream and believed from trusted peers only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final

import attrs

from ..sites import Network, Site
from ._hop_by_hop import Line, end_to_end

__all__ = ["ClientAddress", "client_address", "is_secure", "is_trusted", "kept_request_id", "upstream_fields"]

#: Written by the gate, or claims about what the gate knows: a client's copies never pass.
_OWNED: Final = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-request-id",
    }
)
#: Says the same under other names; passes from a trusted peer only.
_CLAIMS: Final = frozenset(
    {
        b"x-real-ip",
        b"x-forwarded-scheme",
        b"x-forwarded-ssl",
        b"x-forwarded-protocol",
        b"x-forwarded-server",
        b"x-url-scheme",
        b"front-end-https",
    }
)
_GUARDED: Final = _OWNED | _CLAIMS
#: Framing is the writer's; C{Proxy} becomes HTTP_PROXY in a CGI program (CVE-2016-5385).
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"proxy"})

# RFC 9110 section 5.6.2 token, bounded.
_REQUEST_ID: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
# Stricter than RFC 9110 section 7.2: what a real host can be.
_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?")
# RFC 7239 section 4: for=, quoted or not; the port is of no interest.
_FOR: Final = re.compile(rb'(?:^|;)[ \t]*for="?(\[[0-9A-Fa-f:.]+\]|[0-9.]+)(?::[0-9]+)?"?[ \t]*(?=;|$)', re.IGNORECASE)


@attrs.frozen
class ClientAddress:
    """
    The address an exchange is for.

    @ivar ip: an IP literal, or empty when the peer has none (a UNIX socket).
    @ivar rule: which rule chose it: C{peer}, C{x-forwarded-for} or C{forwarded}.
    """

    ip: str
    rule: str


def is_trusted(address: str, trusted_peers: Iterable[Network]) -> bool:
    """
    Is an IP literal in one of these networks?  An address that cannot be read is not.
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in trusted_peers)


def client_address(
    peer: str, fields: Iterable[Line], trusted_peers: Sequence[Network], *, forwarded: bool = False
) -> ClientAddress:
    """
    Walk from the peer towards the client, as far as each hop is trusted.

    @param peer: the immediate peer's IP literal.
    @param forwarded: believe C{Forwarded} where there is no C{X-Forwarded-For}.  Off by default, since most proxies
        pass a client's C{Forwarded} on.
    """
    if not trusted_peers or not is_trusted(peer, trusted_peers):
        return ClientAddress(peer, "peer")
    fields = list(fields)
    hops = _elements(fields, b"x-forwarded-for")
    rule = "x-forwarded-for"
    if not hops and forwarded:
        rule = "forwarded"
        found = [_FOR.search(element) for element in _elements(fields, b"forwarded")]
        hops = [match[1] if match else b"" for match in found]
    ip = peer
    chosen = "peer"
    for hop in reversed(hops):
        literal = _literal(hop)
        if not literal:  # what lies behind a hop we cannot read is hearsay
            break
        ip, chosen = literal, rule
        if not is_trusted(ip, trusted_peers):
            break
    return ClientAddress(ip, chosen)


def is_secure(secure: bool, peer: str, fields: Iterable[Line], trusted_peers: Sequence[Network]) -> bool:
    """
    Did the client speak HTTPS, to the gate or to a trusted peer that terminates TLS in front of it?
    """
    if secure or not trusted_peers:
        return secure
    said = _elements(fields, b"x-forwarded-proto")
    # The rightmost is what the immediate peer itself says.
    return bool(said) and said[-1].lower() == b"https" and is_trusted(peer, trusted_peers)


def kept_request_id(fields: Iterable[Line], trusted: bool) -> bytes:
    """
    The C{X-Request-ID} to keep, or empty: only a trusted peer's, only one, and only a token of at most 128 bytes.
    """
    if not trusted:
        return b""
    sent = [value for name, value in fields if name.lower() == b"x-request-id"]
    return sent[0] if len(sent) == 1 and _REQUEST_ID.fullmatch(sent[0]) else b""


def upstream_fields(
    fields: Sequence[Line],
    *,
    peer: str,
    site: Site,
    secure: bool,
    port: int,
    connection_options: frozenset[bytes],
) -> bytes:
    """
    The complete field lines for the upstream, each with its CRLF, without C{X-Request-ID} and framing.

    It depends on nothing but its arguments, so a connection may keep it for equal fields.

    @param peer: the immediate peer's IP literal; empty if it has none.
    @param secure: did the peer speak TLS to the gate?
    @param port: that the client connected to, as clients see it.
    """
    trusted = bool(site.trusted_peers) and is_trusted(peer, site.trusted_peers)
    host = b""
    lines: list[bytes] = []
    for name, value in end_to_end(fields, connection_options):
        lower = name.lower()
        if lower == b"host":
            host = value
        plain = lower.replace(b"_", b"-")
        # An upstream that reads CGI variables cannot tell X_Forwarded_For from X-Forwarded-For.
        if lower in _OWNED or lower in _FRAMING or (plain in _GUARDED and (plain != lower or not trusted)):
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    lines.extend(_forwarded_lines(fields if trusted else (), peer=peer, host=host, site=site, secure=secure, port=port))
    return b"".join(lines)


def _forwarded_lines(
    believed: Sequence[Line], *, peer: str, host: bytes, site: Site, secure: bool, port: int
) -> Iterable[bytes]:
    # believed: the fields of a trusted peer, or nothing.
    hops = [hop for hop in map(_literal, _elements(believed, b"x-forwarded-for")) if hop]
    if peer:
        hops.append(peer)
    if hops:
        yield b"X-Forwarded-For: %b\r\n" % ", ".join(hops).encode("ascii")
    said = _elements(believed, b"x-forwarded-proto")
    scheme = said[-1].lower() if said and said[-1].lower() in (b"http", b"https") else b""
    if not scheme:
        scheme = b"https" if secure else b"http"
    yield b"X-Forwarded-Proto: %b\r\n" % scheme
    said = _elements(believed, b"x-forwarded-host")
    shown = said[-1] if said and _HOST.fullmatch(said[-1]) else host
    if shown:
        yield b"X-Forwarded-Host: %b\r\n" % shown
    said = _elements(believed, b"x-forwarded-port")
    if said and said[-1].isdigit() and len(said[-1]) <= 5:
        yield b"X-Forwarded-Port: %b\r\n" % said[-1]
    elif port:
        yield b"X-Forwarded-Port: %d\r\n" % port
    if site.forwarded:
        chain = [value for name, value in believed if name.lower() == b"forwarded"]
        chain.append(_forwarded_element(peer, host, b"https" if secure else b"http"))
        yield b"Forwarded: %b\r\n" % b", ".join(chain)


def _forwarded_element(peer: str, host: bytes, scheme: bytes) -> bytes:
    # RFC 7239 section 6: IPv6 in brackets, hence quoted; "unknown" where there is no address.
    node = f'"[{peer}]"' if ":" in peer else peer or "unknown"
    named = b';host="%b"' % host if _HOST.fullmatch(host) else b""
    return b"for=%b%b;proto=%b" % (node.encode("ascii"), named, scheme)


def _elements(fields: Iterable[Line], name: bytes) -> list[bytes]:
    found: list[bytes] = []
    for field, value in fields:
        if field.lower() == name:
            found.extend(element.strip(b" \t") for element in value.split(b","))
    return [element for element in found if element]


def _literal(hop: bytes) -> str:
    # "1.2.3.4", "1.2.3.4:80", "::1", "[::1]", "[::1]:80"; anything else is no address.
    text = hop.decode("latin-1")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ip_address(text)
    except ValueError:
        return ""
    # A zone is local to the machine that wrote it, and could hold anything.
    return "" if "%" in text else str(ip)
