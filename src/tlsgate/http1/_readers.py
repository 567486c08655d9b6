"""
Bytes in, events out: one reader for each direction of a connection.

A reader is always in one of these states; an event moves it along an arrow::

    HEAD --head without content--> HEAD
    HEAD --head with content--> LENGTH | CHUNK_LINE | CLOSE
    LENGTH --End--> HEAD
    CHUNK_LINE --> CHUNK_DATA --> CHUNK_END --> CHUNK_LINE ... --> TRAILERS --End--> HEAD
    CLOSE --eof, End--> ENDED

C{next_event} returns a head, C{bytes} of content, an L{End}, or C{None} when it needs more bytes.  A message whose
head says that it has no content yields no L{End}: its head is its end, which spares most requests an event.

This is hot code: state is an integer, and the common case (a whole head in one read, the same fields as last time)
is a search, a match and one comparison of bytes.
"""

from __future__ import annotations

import attrs

from ._errors import ProtocolViolation
from ._framing import CHUNKED, UNTIL_CLOSE, request_framing, response_framing
from ._grammar import CHUNK_LINE, CHUNK_LINE_PADDED, REQUEST_LINE, STATUS_LINE, STRAY_LINE_END
from ._headers import Fields, Line, parse_fields
from ._messages import End, RequestHead, ResponseHead

__all__ = ["ReaderLimits", "RequestReader", "ResponseReader"]

HEAD, LENGTH, CHUNK_LINE_STATE, CHUNK_DATA, CHUNK_END, TRAILERS, CLOSE, ENDED = range(8)


@attrs.frozen(kw_only=True)
class ReaderLimits:
    """
    What a peer may make a reader hold.  Sizes in bytes.
    """

    target: int = 16 * 1024
    fields: int = 64 * 1024
    field_lines: int = 200
    trailers: int = 16 * 1024
    trailer_lines: int = 32
    chunk_line: int = 4 * 1024


class _Reader:
    """
    What both directions share: the buffer, the memo of the last fields, and content.
    """

    __slots__ = ("_buffer", "_fields", "_limits", "_remaining", "_scanned", "_state", "_trailer_size")

    _chunk_line = CHUNK_LINE

    def __init__(self, limits: ReaderLimits) -> None:
        self._limits = limits
        self._buffer = b""
        self._state = HEAD
        self._remaining = 0
        self._scanned = 0
        self._fields: Fields | None = None

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

    def _parse_fields(self, raw: bytes) -> Fields:
        fields = self._fields
        if fields is None or fields.raw != raw:
            fields = self._fields = parse_fields(raw, self._limits.field_lines)
        return fields

    def _begin_content(self, framing: int) -> None:
        if framing > 0:
            self._state = LENGTH
            self._remaining = framing
        elif framing == CHUNKED:
            self._state = CHUNK_LINE_STATE
        elif framing == UNTIL_CLOSE:
            self._state = CLOSE

    def _next_content(self) -> bytes | End | None:
        state = self._state
        if state == LENGTH:
            return self._next_of_length()
        if state == CLOSE:
            content, self._buffer = self._buffer, b""
            return content or None
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

    def _next_chunked(self) -> bytes | End | None:  # noqa: PLR0912 - one loop over the states beats four calls
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
                    state = CHUNK_LINE_STATE
                if state == CHUNK_LINE_STATE:
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
        finally:
            self._state = state
            self._buffer = buffer[at:]
        if pieces:
            return b"".join(pieces)
        return self._next_trailers() if state == TRAILERS else None

    def _check_partial_chunk_line(self, partial: bytes) -> None:
        if len(partial) >= self._limits.chunk_line:
            raise ProtocolViolation("chunk-size line too long", code="chunk-line-too-long")
        if STRAY_LINE_END.search(partial) or (partial and partial[:1] not in b"0123456789abcdefABCDEF"):
            raise ProtocolViolation("malformed chunk size", code="chunk-size")

    def _next_trailers(self) -> End | None:
        # RFC 9112 section 7.1.2   trailer-section = *( field-line CRLF ), then an empty line.
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            self._buffer = buffer[2:]
            self._state = HEAD
            return End([])
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or end > self._limits.trailers:
            if len(buffer) > self._limits.trailers:
                raise ProtocolViolation("trailer section too large", 431, "trailers-too-large")
            if STRAY_LINE_END.search(buffer):
                raise ProtocolViolation("bare CR or LF in the trailer section", code="bare-line-end")
            return None
        fields = parse_fields(buffer[: end + 2], self._limits.trailer_lines)
        self._buffer = buffer[end + 4 :]
        self._state = HEAD
        lines: list[Line] = fields.lines
        return End(lines)


class RequestReader(_Reader):
    """
    Reads what a client sends.
    """

    __slots__ = ()

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
            self._complain(buffer[:line_end])
        assert match is not None
        method, target, major, minor_digit = match.groups()
        limits = self._limits
        if len(target) > limits.target:
            raise ProtocolViolation("request target too long", 414, "target-too-long")
        if end - line_end > limits.fields:
            raise ProtocolViolation("fields too large", 431, "fields-too-large")
        if major != b"1" or minor_digit not in b"01":
            raise ProtocolViolation("HTTP version not supported", 505, "version")
        self._buffer = buffer[end + 4 :]
        fields = self._parse_fields(buffer[line_end + 2 : end + 2])
        minor = 1 if minor_digit == b"1" else 0
        framing = request_framing(minor, fields)
        # RFC 9112 section 3.2: exactly one Host in HTTP/1.1.  Stricter: never two, and never an empty one.
        if len(fields.hosts) != 1 and (minor == 1 or fields.hosts):
            raise ProtocolViolation("no or several Host fields", code="host")
        self._begin_content(framing)
        return RequestHead(method, target, minor, fields, framing)

    def _check_partial_head(self, buffer: bytes) -> None:
        # Refuse what can no longer become a request without waiting for its end, and remember how far was searched.
        limits = self._limits
        size = len(buffer)
        if STRAY_LINE_END.search(buffer, max(0, self._scanned - 1)):
            raise ProtocolViolation("bare CR or LF in the head", code="bare-line-end")
        self._scanned = max(0, size - 3)
        line_end = buffer.find(b"\r\n", 0, limits.target + 2048)
        if line_end < 0:
            if size > limits.target + 1024:
                raise ProtocolViolation("request line too long", 414, "target-too-long")
        elif size - line_end > limits.fields:
            raise ProtocolViolation("fields too large", 431, "fields-too-large")
        elif line_end > 0 and REQUEST_LINE.fullmatch(buffer, 0, line_end) is None:
            self._complain(buffer[:line_end])

    def _complain(self, line: bytes) -> None:
        if len(line) > self._limits.target:
            raise ProtocolViolation("request line too long", 414, "target-too-long")
        if STRAY_LINE_END.search(line):
            raise ProtocolViolation("bare CR or LF in the head", code="bare-line-end")
        raise ProtocolViolation("malformed request line", code="request-line")


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
        if end < 0:
            if len(buffer) > self._limits.fields + 1024:
                raise ProtocolViolation("response head too large", code="head-too-large")
            if not buffer.startswith(b"HTTP/1."[: len(buffer)]):
                raise ProtocolViolation("not HTTP/1", code="not-http")
            if STRAY_LINE_END.search(buffer, max(0, self._scanned - 1)):
                raise ProtocolViolation("bare CR or LF in a response head", code="bare-line-end")
            self._scanned = max(0, len(buffer) - 3)
            return None
        self._scanned = 0
        line_end = buffer.find(b"\r\n")
        match = STATUS_LINE.fullmatch(buffer, 0, line_end)
        if match is None:
            raise ProtocolViolation("malformed status line", code="status-line")
        if end - line_end > self._limits.fields:
            raise ProtocolViolation("response head too large", code="head-too-large")
        self._buffer = buffer[end + 4 :]
        fields = self._parse_fields(buffer[line_end + 2 : end + 2])
        minor_digit, status_digits, reason = match.groups()
        status = int(status_digits)
        if status > 599:
            raise ProtocolViolation("status out of range", code="status-line")
        minor = 1 if minor_digit == b"1" else 0
        framing = response_framing(status, self.method, minor, fields)
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
