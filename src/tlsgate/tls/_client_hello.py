"""
What a client says before anything is encrypted, read from the first bytes of its connection without consuming them.

The bytes come from anybody: nothing here raises, and nothing is read beyond L{LONGEST} bytes.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from ._names import normalise

__all__ = ["LONGEST", "ClientHello", "Peeked", "read_client_hello"]

#: Bytes of a ClientHello with its record headers that are looked at.  Browsers send less than 2 KiB, with post-quantum
#: key shares; a longer one is left to OpenSSL, which has its own limit.
LONGEST: Final = 32 * 1024

# RFC 8446 §5.1: a record is at most 2**14 bytes of plain text.
LONGEST_RECORD: Final = 2**14

HANDSHAKE: Final = 22  # RFC 8446 §5.1   ContentType.handshake
CLIENT_HELLO: Final = 1  # RFC 8446 §4   HandshakeType.client_hello
SERVER_NAME: Final = 0  # RFC 6066 §3
SIGNATURE_ALGORITHMS: Final = 13  # RFC 8446 §4.2.3
ALPN: Final = 16  # RFC 7301 §3.1


class Peeked(Enum):
    """
    What the first bytes of a connection are, when they are not (yet) a whole ClientHello.
    """

    NEED_MORE = "need-more"
    PLAIN_HTTP = "plain-http"
    NOT_TLS = "not-tls"


@attrs.frozen
class ClientHello:
    """
    What a client asks for.

    @ivar server_name: as sent, undecoded; L{None} if it named none.
    @ivar alpn: the protocols it offers, most wanted first (RFC 7301).
    @ivar signature_algorithms: code points of RFC 8446 §4.2.3, most wanted first.
    """

    server_name: bytes | None = None
    alpn: tuple[bytes, ...] = ()
    signature_algorithms: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """
        The server name in its one spelling; empty if it named none, or something that cannot be a name.
        """
        return "" if self.server_name is None else normalise(self.server_name)


class _Cut(Exception):
    """
    A length points beyond its field.
    """


class _Fields:
    """
    A cursor over TLS's presentation language (RFC 8446 §3).
    """

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.text)

    def take(self, length: int) -> bytes:
        taken = self.text[self.at : self.at + length]
        if len(taken) != length:
            raise _Cut
        self.at += length
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))


def read_client_hello(first: bytes) -> ClientHello | Peeked:
    """
    Read a ClientHello, which may be spread over several records.

    @param first: the first bytes of a connection, as many as have come.

    @return: the ClientHello; or what else this is: L{Peeked.NEED_MORE} if more bytes could make it one,
        L{Peeked.PLAIN_HTTP} if it begins as an HTTP/1 request does, L{Peeked.NOT_TLS} for anything else (SSLv2,
        garbage, a malformed or oversized ClientHello; OpenSSL knows the right alert).
    """
    if not first:
        return Peeked.NEED_MORE
    if first[0] != HANDSHAKE:
        return _not_a_record(first)
    message = _message(first)
    if isinstance(message, Peeked):
        return message
    try:
        return _read_message(message)
    except _Cut:
        return Peeked.NOT_TLS


def _not_a_record(first: bytes) -> Peeked:
    # RFC 9112 §2.2: a server should ignore an empty line before the request line.
    line = first.lstrip(b"\r\n")
    if not line:
        return Peeked.NEED_MORE if len(first) <= 4 else Peeked.NOT_TLS
    # Every method that is in use begins with a letter; a TLS record never does.
    return Peeked.PLAIN_HTTP if line[:1].isalpha() else Peeked.NOT_TLS


def _message(first: bytes) -> bytes | Peeked:
    """
    Gather the first handshake message from its records.
    """
    # RFC 8446 §5.1   struct { ContentType type; ProtocolVersion legacy_record_version; uint16 length; ... }
    message = bytearray()
    at = 0
    needed = 4
    while len(message) < needed:
        header = first[at : at + 5]
        if (header[:1] or b"\x16")[0] != HANDSHAKE or (header[1:2] or b"\x03") != b"\x03":
            return Peeked.NOT_TLS
        if at >= LONGEST:
            return Peeked.NOT_TLS
        if len(header) < 5:
            return Peeked.NEED_MORE
        length = int.from_bytes(header[3:5], "big")
        if not 0 < length <= LONGEST_RECORD:
            return Peeked.NOT_TLS
        at += 5
        message += first[at : at + length]
        at += length
        if message and message[0] != CLIENT_HELLO:
            return Peeked.NOT_TLS
        if len(message) >= 4:
            # RFC 8446 §4   struct { HandshakeType msg_type; uint24 length; ... }
            needed = 4 + int.from_bytes(message[1:4], "big")
            if needed > LONGEST:
                return Peeked.NOT_TLS
    return bytes(message[4:needed])


def _read_message(message: bytes) -> ClientHello:
    """
    Read the body of a ClientHello (RFC 8446 §4.1.2).

    @raise _Cut: it is malformed.
    """
    fields = _Fields(message)
    if fields.take(2)[0] != 3:
        raise _Cut
    fields.take(32)  # random
    fields.vector(1)  # legacy_session_id
    fields.vector(2)  # cipher_suites
    fields.vector(1)  # legacy_compression_methods
    found: dict[int, bytes] = {}
    if fields:
        extensions = _Fields(fields.vector(2))
        while extensions:
            kind = extensions.number(2)
            found.setdefault(kind, extensions.vector(2))
    return ClientHello(
        _server_name(found.get(SERVER_NAME, b"")),
        _alpn(found.get(ALPN, b"")),
        _signature_algorithms(found.get(SIGNATURE_ALGORITHMS, b"")),
    )


def _server_name(extension: bytes) -> bytes | None:
    # RFC 6066 §3   struct { NameType name_type; HostName host_name; } ServerName;
    #               ServerName server_name_list<1..2^16-1>
    if not extension:
        return None
    names = _Fields(_Fields(extension).vector(2))
    while names:
        kind = names.number(1)
        name = names.vector(2)
        if kind == 0:
            return name
    return None


def _alpn(extension: bytes) -> tuple[bytes, ...]:
    # RFC 7301 §3.1   opaque ProtocolName<1..2^8-1>; ProtocolName protocol_name_list<2..2^16-1>
    if not extension:
        return ()
    names = _Fields(_Fields(extension).vector(2))
    offered = []
    while names:
        offered.append(names.vector(1))
    return tuple(offered)


def _signature_algorithms(extension: bytes) -> tuple[int, ...]:
    # RFC 8446 §4.2.3   SignatureScheme supported_signature_algorithms<2..2^16-2>
    if not extension:
        return ()
    schemes = _Fields(_Fields(extension).vector(2))
    offered = []
    while schemes:
        offered.append(schemes.number(2))
    return tuple(offered)
