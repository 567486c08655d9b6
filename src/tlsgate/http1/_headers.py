"""
What a field section means.

A field section is parsed into a L{Fields} once; a keep-alive peer sends the same bytes again and again, so readers
keep the last one and compare.  That is safe because the parse depends on nothing but those bytes: what depends on
the method or the version is decided in L{_framing}.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ._errors import ProtocolViolation
from ._grammar import CONTENT_LENGTH, FIELD_LINE, FIELD_SECTION, HOST, STRAY_LINE_END, TOKEN

__all__ = ["Fields", "Line", "host_name", "parse_fields", "parse_lines"]

#: A field: its name as sent and its value without surrounding whitespace.
Line = tuple[bytes, bytes]

# The codings of RFC 9112 section 7, and those that were registered once.  An empty element is no coding we lack, it is
# a malformed list.
_KNOWN_CODINGS = frozenset({b"chunked", b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress", b"identity", b""})

# What nearly every C{Connection} field says: looking it up takes a tenth of the time of splitting it.
_USUAL_OPTIONS = {value: frozenset({value.lower()}) for value in (b"keep-alive", b"Keep-Alive", b"close", b"Close")}


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
    @ivar coding_known: are all its codings ones that RFC 9112 defines or defined?
    @ivar connection: lower-case options of all C{Connection} lines.
    @ivar host: the C{Host} value's name: lower case, without port and trailing dot; empty unless there is exactly one
        C{Host} and it is well-formed (whether that is a fault depends on the message).
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
        """
        @param lines: those of C{raw}.

        @raise ProtocolViolation: a C{Content-Length} is malformed, or two differ.
        """
        self.raw = raw
        self.lines = lines
        # Backwards, so that the first of several lines is the one that stays.
        self.first: dict[bytes, bytes] = {name.lower(): value for name, value in reversed(lines)}
        self.content_length = -1
        self.coded = self.chunked = False
        self.coding_known = True
        self.connection: frozenset[bytes] = frozenset()
        self.host = b""
        self.memo: Any = None
        if b"content-length" in self.first:
            self.content_length = _content_length(self._all(b"content-length"))
        if b"transfer-encoding" in self.first:
            self._read_codings(b",".join(self._all(b"transfer-encoding")))
        if b"connection" in self.first:
            options = b",".join(self._all(b"connection"))
            self.connection = _USUAL_OPTIONS.get(options) or frozenset(_elements(options))
        self.hosts = self._all(b"host")
        if len(self.hosts) == 1:
            try:
                self.host = host_name(self.hosts[0])
            except ProtocolViolation:
                pass

    def _all(self, name: bytes) -> list[bytes]:
        first = self.first
        if len(first) == len(self.lines):
            return [first[name]] if name in first else []
        return [value for sent, value in self.lines if sent.lower() == name]

    def _read_codings(self, value: bytes) -> None:
        # RFC 9112 section 6.1: "chunked" must be last and once.  Stricter: it must be the only coding, since we
        # would have to forward any other without understanding it.  bytes.strip() is not used: it would take a
        # vertical tab for whitespace.
        elements = [element.strip(b" \t").lower() for element in value.split(b",")]
        self.coded = True
        self.chunked = elements == [b"chunked"]
        self.coding_known = _KNOWN_CODINGS.issuperset(elements)

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
    Parse the field section of a head (RFC 9112 section 5).

    @param raw: complete lines, each with its CRLF.

    @raise ProtocolViolation: a line or a C{Content-Length} is malformed (400) or there are more than C{max_lines}
        lines (431).
    """
    return Fields(raw, parse_lines(raw, max_lines))


def parse_lines(raw: bytes, max_lines: int) -> list[Line]:
    """
    Split a field section into its lines, and take none of them for its meaning: a trailer section has nothing to say
    about framing or routing (RFC 9110 section 6.5.1).

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
    return lines


def _complain(raw: bytes) -> NoReturn:
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
        break
    raise ProtocolViolation("control character in a field value", code="field-value")


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
    name, port = match.groups()
    if port and int(port) > 65535:
        raise ProtocolViolation("port out of range in Host", code="host")
    name = name.lower()
    if b".." in name:
        raise ProtocolViolation("empty label in Host", code="host")
    return name.removesuffix(b".")
