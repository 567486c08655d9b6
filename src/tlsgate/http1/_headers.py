"""
What a field section means.

A field section is parsed into a L{Fields} once; a keep-alive peer sends the same bytes again and again, so readers
keep the last one and compare.  That is safe because the parse depends on nothing but those bytes: what depends on
the method or the version is decided in L{_framing}.
"""

from __future__ import annotations

from typing import Any

from ._errors import ProtocolViolation
from ._grammar import CONTENT_LENGTH, FIELD_LINE, FIELD_SECTION, HOST, STRAY_LINE_END, TOKEN

__all__ = ["Fields", "parse_fields"]

Line = tuple[bytes, bytes]


class Fields:
    """
    One field section, parsed.

    @ivar raw: the section as received, each line with its CRLF, without the empty line.
    @ivar lines: (name as sent, value without surrounding whitespace), in order.
    @ivar first: lower-case name to the first line's value.
    @ivar hosts: values of all C{Host} lines.
    @ivar content_length: the one length all C{Content-Length} values agree on, or -1 if there is none.
    @ivar coded: is there any C{Transfer-Encoding}?
    @ivar chunked: is it exactly one final C{chunked}?
    @ivar coding_known: are all its codings ones that RFC 9112 defines?
    @ivar connection: lower-case options of all C{Connection} lines.
    @ivar host: the C{Host} value's name: lower case, without port and trailing dot; empty if there is none.
    @ivar memo: what the owner of the connection derived from these fields, and from what; never interpreted here.
    """

    __slots__ = (
        "chunked",
        "coded",
        "coding_known",
        "connection",
        "content_length",
        "first",
        "host",
        "hosts",
        "lines",
        "memo",
        "raw",
    )

    def __init__(self, raw: bytes, lines: list[Line]) -> None:
        self.raw = raw
        self.lines = lines
        self.first: dict[bytes, bytes] = {}
        self.hosts: list[bytes] = []
        self.content_length = -1
        self.coded = self.chunked = False
        self.coding_known = True
        self.connection: frozenset[bytes] = frozenset()
        self.host = b""
        self.memo: Any = None
        lengths: list[bytes] = []
        codings: list[bytes] = []
        options: list[bytes] = []
        for name, value in lines:
            lower = name.lower()
            self.first.setdefault(lower, value)
            if lower == b"content-length":
                lengths.append(value)
            elif lower == b"transfer-encoding":
                codings.append(value)
            elif lower == b"connection":
                options.append(value)
            elif lower == b"host":
                self.hosts.append(value)
        if lengths:
            self.content_length = _content_length(lengths)
        if codings:
            self._read_codings(b",".join(codings))
        if options:
            self.connection = frozenset(_elements(b",".join(options)))
        if len(self.hosts) == 1:
            self.host = host_name(self.hosts[0])

    def _read_codings(self, value: bytes) -> None:
        # RFC 9112 section 6.1: "chunked" must be last and once.  Stricter: it must be the only coding, since we
        # would have to forward any other without understanding it.  bytes.strip() is not used: it would take a
        # vertical tab for whitespace.
        elements = [element.strip(b" \t").lower() for element in value.split(b",")]
        self.coded = True
        self.chunked = elements == [b"chunked"]
        known = (b"chunked", b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress", b"identity")
        self.coding_known = all(element in known for element in elements)

    def get(self, name: bytes) -> bytes | None:
        """
        The value of the first line with a lower-case name, or C{None}.
        """
        return self.first.get(name)

    def __repr__(self) -> str:
        # Names only: values may be credentials.
        return f"<Fields {b' '.join(name for name, _ in self.lines).decode('ascii')}>"


def parse_fields(raw: bytes, max_lines: int) -> Fields:
    """
    Parse a field section (RFC 9112 section 5).

    @param raw: complete lines, each with its CRLF.

    @raise ProtocolViolation: a line is malformed (400) or there are more than C{max_lines} (431).
    """
    if raw.count(b"\n") > max_lines:
        raise ProtocolViolation(f"more than {max_lines} field lines", 431, "too-many-fields")
    if FIELD_SECTION.fullmatch(raw) is None:
        _complain(raw)
    lines: list[Line] = []
    for line in raw.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        lines.append((name, value.strip(b" \t")))
    return Fields(raw, lines)


def _complain(raw: bytes) -> None:
    # The section is wrong; say what about it.  Only refused heads pay for this.
    if STRAY_LINE_END.search(raw):
        raise ProtocolViolation("bare CR or LF in the head", code="bare-line-end")
    for line in raw.split(b"\r\n")[:-1]:
        if FIELD_LINE.fullmatch(line):
            continue
        if line[:1] in (b" ", b"\t"):
            raise ProtocolViolation("folded field line", code="obs-fold")
        name, colon, _ = line.partition(b":")
        if not colon or TOKEN.fullmatch(name) is None:
            raise ProtocolViolation("field name is not a token followed by a colon", code="field-name")
        raise ProtocolViolation("control character in a field value", code="field-value")
    raise ProtocolViolation("malformed fields")


def _content_length(values: list[bytes]) -> int:
    # RFC 9110 section 8.6 lets a recipient take identical values of a list for one.  Stricter: we take one line
    # with one number, or identical lines; a list is refused.
    first = values[0]
    if CONTENT_LENGTH.fullmatch(first) is None:
        raise ProtocolViolation("Content-Length is not a number", code="content-length")
    if any(value != first for value in values):
        raise ProtocolViolation("two different Content-Lengths", code="content-length")
    return int(first)


def _elements(value: bytes) -> list[bytes]:
    # RFC 9110 section 5.6.1: empty elements of a list are ignored.
    return [element for part in value.split(b",") if (element := part.strip(b" \t").lower())]


def host_name(value: bytes) -> bytes:
    """
    The name of a C{Host} value or authority: lower case, without its port and trailing dot.

    @raise ProtocolViolation: it is not C{uri-host [ ":" port ]} (RFC 9110 section 7.2).
    """
    match = HOST.fullmatch(value)
    if match is None:
        raise ProtocolViolation("malformed Host", code="host")
    port = match["port"]
    if port and int(port) > 65535:
        raise ProtocolViolation("port out of range in Host", code="host")
    name: bytes = match["name"].lower()
    if b".." in name:
        raise ProtocolViolation("empty label in Host", code="host")
    return name[:-1] if name.endswith(b".") and len(name) > 1 else name
