"""
The PROXY protocol, versions 1 and 2: who is really at the other end of a connection.

After U{HAProxy's proxy-protocol.txt<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>}.  Bytes in, values
out; who may send a header is decided elsewhere.  Stricter than the text: version 1 numbers have one spelling (no
leading zeros, no signs), version 2 headers are bounded, and the AF_UNSPEC and DGRAM families count as unknown.
"""

from __future__ import annotations

import re
import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

__all__ = ["MAXIMUM_HEADER", "MalformedProxyHeader", "ProxyHeader", "encode", "parse"]

# "the 12-byte block containing: \x0D \x0A \x0D \x0A \x00 \x0D \x0A \x51 \x55 \x49 \x54 \x0A"
_V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V1_SIGNATURE: Final = b"PROXY "

# "a 108-byte buffer is always enough to store all the line and a trailing zero": 107 with CRLF.
_V1_LIMIT: Final = 107

# Signature, version and command, family and protocol, length.
_V2_FIXED: Final = struct.Struct("!12sBBH")
_V2_IPV4: Final = struct.Struct("!4s4sHH")
_V2_IPV6: Final = struct.Struct("!16s16sHH")

# Room for addresses and TLVs; a certificate's subject fits, a flood does not.
_V2_LENGTH_LIMIT: Final = 4096

#: The longest header that is read, bytes.
MAXIMUM_HEADER: Final = _V2_FIXED.size + _V2_LENGTH_LIMIT

# PROXY SP TCP4|TCP6 SP source SP destination SP source-port SP destination-port CRLF
_V1_LINE: Final = re.compile(
    rb"PROXY (TCP4|TCP6) ([0-9a-fA-F:.]{2,39}) ([0-9a-fA-F:.]{2,39}) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})"
)


class MalformedProxyHeader(ValueError):
    """
    The bytes are not, and cannot become, a PROXY header.
    """


class ProxyHeader(NamedTuple):
    """
    What a PROXY header says.

    @ivar source: address and port of the client; C{None} where the header does not tell (UNKNOWN, LOCAL, UNIX).
    @ivar destination: address and port that the client connected to; C{None} likewise.
    @ivar consumed: bytes of the header; the connection's own bytes begin after them.
    @ivar local: the sender speaks for itself (a health check): use the connection's own addresses.
    @ivar tlvs: version 2's extensions as they came, (type, value).
    """

    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    consumed: int
    local: bool = False
    tlvs: tuple[tuple[int, bytes], ...] = ()


def parse(data: bytes) -> ProxyHeader | None:
    """
    Read a header from the first bytes of a connection.

    @return: C{None} while more bytes are needed; never after L{MAXIMUM_HEADER} bytes.

    @raise MalformedProxyHeader: as early as the bytes allow.
    """
    if data.startswith(_V1_SIGNATURE):
        return _parse_v1(data)
    if data.startswith(_V2_SIGNATURE):
        return _parse_v2(data)
    if _V1_SIGNATURE.startswith(data) or _V2_SIGNATURE.startswith(data):
        return None
    raise MalformedProxyHeader("no PROXY signature")


def _parse_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _V1_LIMIT)
    if end < 0:
        if len(data) >= _V1_LIMIT:
            raise MalformedProxyHeader("the version 1 line is longer than 107 bytes")
        return None
    # "UNKNOWN ... the receiver must ignore anything presented before the CRLF"
    if data.startswith(b"PROXY UNKNOWN", 0, end) and (end == 13 or data[13:14] == b" "):
        return ProxyHeader(None, None, end + 2)
    match = _V1_LINE.fullmatch(data, 0, end)
    if match is None:
        raise MalformedProxyHeader("the version 1 line does not have its form")
    family, source, destination, source_port, destination_port = match.groups()
    return ProxyHeader(
        (_address(family, source), _port(source_port)),
        (_address(family, destination), _port(destination_port)),
        end + 2,
    )


def _address(family: bytes, text: bytes) -> str:
    kind = IPv4Address if family == b"TCP4" else IPv6Address
    try:
        return str(kind(text.decode("ascii")))
    except ValueError as reason:
        raise MalformedProxyHeader(f"not an address of {family.decode('ascii')}") from reason


def _port(text: bytes) -> int:
    port = int(text)
    if port > 65535:
        raise MalformedProxyHeader("a port is above 65535")
    return port


def _parse_v2(data: bytes) -> ProxyHeader | None:
    if len(data) > 12 and data[12] not in (0x20, 0x21):
        raise MalformedProxyHeader("not version 2, or a command that is neither LOCAL nor PROXY")
    if len(data) < _V2_FIXED.size:
        return None
    _, command, family, length = _V2_FIXED.unpack_from(data)
    if length > _V2_LENGTH_LIMIT:
        raise MalformedProxyHeader(f"a version 2 header of {length} bytes")
    end = _V2_FIXED.size + length
    if len(data) < end:
        return None
    body = data[_V2_FIXED.size : end]
    if command == 0x20:
        # "the receiver must accept this connection as valid and must use the real connection endpoints and
        # discard the protocol block including the family"
        return ProxyHeader(None, None, end, local=True)
    source = destination = None
    if family == 0x11:
        source, destination, rest = _v2_addresses(_V2_IPV4, body)
    elif family == 0x21:
        source, destination, rest = _v2_addresses(_V2_IPV6, body)
    elif family in (0x31, 0x32):
        rest = body[216:]
    elif family in (0x00, 0x12, 0x22):
        # UNSPEC carries no addresses; datagrams do not arrive on a stream: their origin is not believed.
        return ProxyHeader(None, None, end)
    else:
        raise MalformedProxyHeader("an unknown family or transport")
    return ProxyHeader(source, destination, end, False, _tlvs(rest))


def _v2_addresses(form: struct.Struct, body: bytes) -> tuple[tuple[str, int], tuple[str, int], bytes]:
    if len(body) < form.size:
        raise MalformedProxyHeader("too short for its addresses")
    source, destination, source_port, destination_port = form.unpack_from(body)
    return (
        (str(ip_address(source)), source_port),
        (str(ip_address(destination)), destination_port),
        body[form.size :],
    )


def _tlvs(rest: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    at = 0
    while at < len(rest):
        if at + 3 > len(rest):
            raise MalformedProxyHeader("an extension is cut short")
        length = int.from_bytes(rest[at + 1 : at + 3], "big")
        if at + 3 + length > len(rest):
            raise MalformedProxyHeader("an extension is longer than the header")
        found.append((rest[at], rest[at + 3 : at + 3 + length]))
        at += 3 + length
    return tuple(found)


def encode(version: int, source: tuple[str, int] | None, destination: tuple[str, int] | None) -> bytes:
    """
    Write the header that begins a connection to an upstream.

    @param version: 1 or 2.
    @param source: the client's address and port; C{None} (a UNIX socket) says UNKNOWN or LOCAL.
    @param destination: where the client connected to.  Where one of the two is IPv6, both are written as IPv6.

    @raise ValueError: an address or port that is none, or another version.
    """
    if version not in (1, 2):
        raise ValueError(f"there is no PROXY protocol version {version}")
    if source is None or destination is None:
        return b"PROXY UNKNOWN\r\n" if version == 1 else _V2_FIXED.pack(_V2_SIGNATURE, 0x20, 0, 0)
    # A zone ("%eth0") means nothing to the far side and has no place in either form.
    ends = [ip_address(host.partition("%")[0]) for host, _ in (source, destination)]
    ports = (source[1], destination[1])
    if not all(0 <= port <= 65535 for port in ports):
        raise ValueError("a port is 0 to 65535")
    ipv6 = any(end.version == 6 for end in ends)
    if ipv6:
        ends = [end if end.version == 6 else IPv6Address(b"\0" * 10 + b"\xff\xff" + end.packed) for end in ends]
    if version == 1:
        family = "TCP6" if ipv6 else "TCP4"
        return f"PROXY {family} {_text(ends[0])} {_text(ends[1])} {ports[0]} {ports[1]}\r\n".encode("ascii")
    form = _V2_IPV6 if ipv6 else _V2_IPV4
    return _V2_FIXED.pack(_V2_SIGNATURE, 0x21, 0x21 if ipv6 else 0x11, form.size) + form.pack(
        ends[0].packed, ends[1].packed, *ports
    )


def _text(end: IPv4Address | IPv6Address) -> str:
    """
    An address as every parser reads it: inet_ntop's spelling.
    """
    return socket.inet_ntop(socket.AF_INET if end.version == 4 else socket.AF_INET6, end.packed)
