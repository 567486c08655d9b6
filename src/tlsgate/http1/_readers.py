"""
Bytes in, events out: one reader for each direction of a connection.

A reader is always in one of these states, and moves only along these lines::

    state       input                     event           next state
    ----------  ------------------------  --------------  -----------
    HEAD        an empty line (a client)                  HEAD
    HEAD        head without content      head            HEAD
    HEAD        head, Content-Length      head            LENGTH
    HEAD        head, chunked             head            CHUNK_SIZE
    HEAD        response head, no length  head            CLOSE
    LENGTH      content                   bytes           LENGTH
    LENGTH      (all of it was read)      End             HEAD
    CHUNK_SIZE  size line                                 CHUNK_DATA
    CHUNK_SIZE  size line of 0                            TRAILERS
    CHUNK_DATA  content                   bytes           CHUNK_DATA
    CHUNK_DATA  (all of it was read)                      CHUNK_END
    CHUNK_END   CRLF                                      CHUNK_SIZE
    TRAILERS    field lines, empty line   End             HEAD
    CLOSE       content                   bytes           CLOSE
    CLOSE       end of the connection     End             ENDED

Any other input is a L{ProtocolViolation}: it moves nothing, so a reader that has complained complains again when it is
asked again, and never reads what follows as a message.

C{next_event} returns a head, C{bytes} of content, an L{End}, or C{None} when it needs more bytes.  A message whose
head says that it has no content yields no L{End}: its head is its end, which spares most requests an event.

This is hot code: state is an integer, and the common case (a whole head in one read, the same fields as last time)
is a search, a match and one comparison of bytes.  The uncommon case is linear: whatever the cut, no byte is looked at
by a pattern more than a few times.
"""

from __future__ import annotations

from typing import NoReturn

from ._errors import ProtocolViolation
from ._framing import CHUNKED, UNTIL_CLOSE, request_framing, response_framing
from ._grammar import (
    CHUNK_LINE,
    CHUNK_LINE_PADDED,
    REQUEST_LINE,
    REQUEST_LINE_OF_ANY,
    STATUS_LINE,
    STRAY_LINE_END,
)
from ._headers import Fields, host_name, parse_fields, parse_lines
from ._limits import ReaderLimits
from ._messages import End, RequestHead, ResponseHead

__all__ = ["RequestReader", "ResponseReader"]

HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS, CLOSE, ENDED = range(8)

# What a start line may have beside its target (a request's method and version, all of a response's): generous.
_START_LINE = 1024

# The largest field section that is kept for the next comparison: ten thousand idle connections must not hold a large
# head each, and fields that large seldom repeat.
_KEPT = 8 * 1024


class _Reader:
    """
    What both directions share: the buffer, the memo of the last fields, and content.
    """

    __slots__ = ("_buffer", "_fields", "_limits", "_remaining", "_scanned", "_state")

    _chunk_line = CHUNK_LINE

    def __init__(self, limits: ReaderLimits) -> None:
        self._limits = limits
        self._buffer = b""
        self._state = HEAD
        self._remaining = 0
        # How far the buffer was searched for the end of an incomplete head or trailer section.
        self._scanned = 0
        self._fields: Fields | None = None

    def expect(self, fields: Fields) -> None:
        """
        Compare the first field section with one that another connection sent: if its bytes are the same, so are its
        fields.

        @param fields: read within the same limits.
        """
        self._fields = fields

    @property
    def buffered(self) -> int:
        """
        Bytes received that no event has consumed yet.
        """
        return len(self._buffer)

    @property
    def in_content(self) -> bool:
        """
        Has a head with content been read, and not yet its end?
        """
        return self._state != HEAD

    def receive_data(self, data: bytes) -> None:
        """
        Take bytes from the connection.
        """
        self._buffer = self._buffer + data if self._buffer else data

    def take_rest(self) -> bytes:
        """
        Give up all bytes that no event has consumed; what follows is not HTTP (a tunnel).
        """
        rest, self._buffer = self._buffer, b""
        return rest

    def forget(self) -> None:
        """
        Hold no byte any more: the connection is over, however long somebody still has a reference.
        """
        self._buffer = b""
        self._fields = None

    def _parse_fields(self, raw: bytes) -> Fields:
        fields = parse_fields(raw, self._limits.field_lines)
        self._fields = fields if len(raw) <= _KEPT else None
        return fields

    def _begin_content(self, framing: int) -> None:
        if framing > 0:
            self._state = LENGTH
            self._remaining = framing
        elif framing == CHUNKED:
            self._state = CHUNK_SIZE
        elif framing == UNTIL_CLOSE:
            self._state = CLOSE

    def _next_content(self) -> bytes | End | None:
        state = self._state
        if state == LENGTH:
            return self._next_of_length()
        if state == CLOSE:
            content, self._buffer = self._buffer, b""
            return content or None
        if state == TRAILERS:
            return self._next_trailers()
        if state == ENDED:
            if self._buffer:
                raise ProtocolViolation("bytes after the end", code="bytes-after-end")
            return None
        return self._next_chunked()

    def _next_of_length(self) -> bytes | End | None:
        remaining = self._remaining
        if remaining == 0:
            self._state = HEAD
            return End([])
        content = self._buffer
        if not content:
            return None
        if len(content) > remaining:
            self._buffer = content[remaining:]
            content = content[:remaining]
        else:
            self._buffer = b""
        self._remaining = remaining - len(content)
        return content

    def _next_chunked(self) -> bytes | End | None:  # noqa: C901, PLR0912 - one loop over the states beats four calls
        # Everything that is decodable now is joined to one piece of content: a chunk to the far side then costs
        # one write, however small the origin's chunks are.
        pieces: list[bytes] = []
        buffer = self._buffer
        at = 0
        state = self._state
        try:
            while True:
                if state == CHUNK_DATA:
                    piece = buffer[at : at + self._remaining]
                    if piece:
                        pieces.append(piece)
                        at += len(piece)
                        self._remaining -= len(piece)
                    if self._remaining:
                        break
                    state = CHUNK_END
                if state == CHUNK_END:
                    ending = buffer[at : at + 2]
                    if ending != b"\r\n":
                        if ending in (b"", b"\r"):
                            break
                        raise ProtocolViolation("chunk data is not followed by CRLF", code="chunk-end")
                    at += 2
                    state = CHUNK_SIZE
                if state == CHUNK_SIZE:
                    end = buffer.find(b"\n", at, at + self._limits.chunk_line)
                    if end < 0:
                        self._check_partial_chunk_line(buffer[at:])
                        break
                    match = self._chunk_line.fullmatch(buffer, at, end - 1) if buffer[end - 1] == 13 else None
                    if match is None or end == at:
                        raise ProtocolViolation("malformed chunk size", code="chunk-size")
                    at = end + 1
                    self._remaining = int(match[1], 16)
                    state = CHUNK_DATA
                    if self._remaining == 0:
                        state = TRAILERS
                        break
        except ProtocolViolation:
            # What came before it is content all the same, wherever the bytes were cut.  The next call complains.
            if not pieces:
                raise
        finally:
            self._state = state
            self._buffer = buffer[at:]
        if pieces:
            return b"".join(pieces)
        return self._next_trailers() if state == TRAILERS else None

    def _check_partial_chunk_line(self, partial: bytes) -> None:
        if len(partial) >= self._limits.chunk_line:
            raise ProtocolViolation("chunk-size line too long", code="chunk-line-too-long")
        # There is no LF in it, so a CR can only be its last byte.
        if b"\r" in partial[:-1] or partial[:1] not in b"0123456789abcdefABCDEF":
            raise ProtocolViolation("malformed chunk size", code="chunk-size")

    def _next_trailers(self) -> End | None:
        # RFC 9112 section 7.1.2   trailer-section = *( field-line CRLF ), then an empty line.
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            self._buffer = buffer[2:]
            self._state = HEAD
            return End([])
        end = buffer.find(b"\r\n\r\n", self._scanned)
        most = self._limits.trailers
        if end > most or (end < 0 and len(buffer) - 3 > most):
            raise ProtocolViolation("trailer section too large", 431, "trailers-too-large")
        if end < 0:
            self._check_partial_lines(buffer, "the trailer section")
            return None
        lines = parse_lines(buffer[: end + 2], self._limits.trailer_lines)
        self._buffer = buffer[end + 4 :]
        self._state = HEAD
        self._scanned = 0
        return End(lines)

    def _check_partial_lines(self, buffer: bytes, where: str) -> None:
        # Refuse a stray CR or LF without waiting for more, and remember how far was searched.
        if STRAY_LINE_END.search(buffer, max(0, self._scanned - 1)):
            raise ProtocolViolation(f"bare CR or LF in {where}", code="bare-line-end")
        self._scanned = max(0, len(buffer) - 3)


class RequestReader(_Reader):
    """
    Reads what a client sends.
    """

    __slots__ = ()

    @property
    def head_begun(self) -> bool:
        """
        Has a byte of the next head arrived?  An empty line before it is none (RFC 9112 section 2.2).
        """
        return self._buffer not in {b"", b"\r", b"\r\n"}

    def next_event(self) -> RequestHead | bytes | End | None:
        """
        The next event, or C{None} when more bytes are needed.

        @raise ProtocolViolation: with the status to answer; the reader is of no further use.
        """
        if self._state != HEAD:
            return self._next_content()
        buffer = self._buffer
        if not buffer:
            return None
        end = buffer.find(b"\r\n\r\n", self._scanned)
        if end < 0:
            self._check_partial_head(buffer)
            return None
        self._scanned = 0
        line_end = buffer.find(b"\r\n")
        if line_end == 0:
            # RFC 9112 section 2.2: at least one empty line before a request is to be ignored.  One is; no more.
            if buffer.startswith(b"\r\n\r\n"):
                raise ProtocolViolation("empty lines instead of a request", code="request-line")
            self._buffer = buffer[2:]
            return self.next_event()
        match = REQUEST_LINE.fullmatch(buffer, 0, line_end)
        if match is None:
            self._complain(buffer[: line_end + 2])
        method, target, minor_digit = match.groups()
        limits = self._limits
        if len(target) > limits.target:
            raise ProtocolViolation("request target too long", 414, "target-too-long")
        if end - line_end > limits.fields:
            raise ProtocolViolation("fields too large", 431, "fields-too-large")
        raw = buffer[line_end + 2 : end + 2]
        fields = self._fields
        if fields is None or fields.raw != raw:
            fields = self._parse_fields(raw)
        minor = 1 if minor_digit == b"1" else 0
        framing = request_framing(minor, fields)
        # RFC 9112 section 3.2: exactly one Host in HTTP/1.1.  Stricter: never two, and never an empty one.
        if not fields.host and (minor == 1 or fields.hosts):
            self._complain_of_host(fields)
        self._buffer = buffer[end + 4 :]
        self._begin_content(framing)
        return RequestHead(method, target, minor, fields, framing)

    def _check_partial_head(self, buffer: bytes) -> None:
        # Refuse what can no longer become a request without waiting for its end.
        limits = self._limits
        begin = 2 if buffer.startswith(b"\r\n") else 0
        # The first CR is the line's end, or a stray one; looking for one byte costs next to nothing.
        line_end = buffer.find(b"\r", begin, len(buffer) - 1)
        if line_end < 0:
            if len(buffer) - begin > limits.target + _START_LINE:
                raise ProtocolViolation("request line too long", 414, "target-too-long")
        elif line_end >= self._scanned:
            # The line has only now become complete; when the rest of the head dribbles in, it is not looked at again.
            match = REQUEST_LINE.fullmatch(buffer, begin, line_end)
            if match is None or len(match[2]) > limits.target:
                self._complain(buffer[begin : line_end + 2])
        if 0 <= line_end < len(buffer) - 3 - limits.fields:
            raise ProtocolViolation("fields too large", 431, "fields-too-large")
        self._check_partial_lines(buffer, "the head")

    def _complain(self, line: bytes) -> NoReturn:
        # Only refused heads pay for this.
        if STRAY_LINE_END.search(line):
            raise ProtocolViolation("bare CR or LF in the head", code="bare-line-end")
        line = line.removesuffix(b"\r\n")
        if len(line) > self._limits.target + _START_LINE:
            raise ProtocolViolation("request line too long", 414, "target-too-long")
        match = REQUEST_LINE_OF_ANY.fullmatch(line)
        if match is None:
            raise ProtocolViolation("malformed request line", code="request-line")
        if len(match[1]) > 64:
            # RFC 9112 section 3: 501 for a method that is longer than any we implement.
            raise ProtocolViolation("request method too long", 501, "method-too-long")
        if REQUEST_LINE.fullmatch(line):
            raise ProtocolViolation("request target too long", 414, "target-too-long")
        raise ProtocolViolation("HTTP version not supported", 505, "version")

    def _complain_of_host(self, fields: Fields) -> NoReturn:
        if len(fields.hosts) == 1:
            host_name(fields.hosts[0])
        raise ProtocolViolation("no or several Host fields", code="host")


class ResponseReader(_Reader):
    """
    Reads what an origin sends.

    @ivar method: of the request that is being answered; set it before its response is read.
    """

    __slots__ = ("method",)

    _chunk_line = CHUNK_LINE_PADDED

    def __init__(self, limits: ReaderLimits) -> None:
        super().__init__(limits)
        self.method = b"GET"

    def next_event(self) -> ResponseHead | bytes | End | None:
        """
        The next event, or C{None} when more bytes are needed.

        @raise ProtocolViolation: the response cannot be trusted; the reader is of no further use.
        """
        if self._state != HEAD:
            return self._next_content()
        buffer = self._buffer
        if not buffer:
            return None
        end = buffer.find(b"\r\n\r\n", self._scanned)
        most = self._limits.fields + _START_LINE
        if end > most or (end < 0 and len(buffer) - 3 > most):
            raise ProtocolViolation("response head too large", code="head-too-large")
        if end < 0:
            if not buffer.startswith(b"HTTP/1."[: len(buffer)]):
                raise ProtocolViolation("not HTTP/1", code="not-http")
            self._check_partial_lines(buffer, "a response head")
            return None
        self._scanned = 0
        line_end = buffer.find(b"\r\n")
        match = STATUS_LINE.fullmatch(buffer, 0, line_end)
        if match is None:
            raise ProtocolViolation("malformed status line", code="status-line")
        raw = buffer[line_end + 2 : end + 2]
        fields = self._fields
        if fields is None or fields.raw != raw:
            fields = self._parse_fields(raw)
        minor_digit, status_digits, reason = match.groups()
        status = int(status_digits)
        minor = 1 if minor_digit == b"1" else 0
        framing = response_framing(status, self.method, minor, fields)
        self._buffer = buffer[end + 4 :]
        self._begin_content(framing)
        return ResponseHead(status, reason, minor, fields, framing)

    def receive_eof(self) -> End | None:
        """
        The origin closed its side.

        @return: the end of content that is delimited by the close, else C{None}: then the response, if one was
            begun, is cut short.
        """
        if self._state == CLOSE and not self._buffer:
            self._state = ENDED
            return End([])
        return None
