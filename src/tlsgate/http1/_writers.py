"""
Write what HTTP/1.1 needs around fields and content: status lines and chunks.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

__all__ = ["LAST_CHUNK", "STATUS_LINES", "chunk", "last_chunk", "status_line"]

#: Status to a complete status line with the standard reason, precomputed: one is written for every response.
STATUS_LINES: Final[dict[int, bytes]] = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode("ascii")) for status in HTTPStatus
}

#: The end of chunked content without trailers (RFC 9112 section 7.1).
LAST_CHUNK: Final = b"0\r\n\r\n"


def status_line(status: int, reason: bytes | None) -> bytes:
    """
    A status line that keeps the origin's reason phrase, or has the standard one if C{reason} is C{None}.
    """
    if reason is None:
        known = STATUS_LINES.get(status)
        return known if known is not None else b"HTTP/1.1 %d \r\n" % status
    return b"HTTP/1.1 %d %b\r\n" % (status, reason)


def chunk(content: bytes) -> bytes:
    """
    Content as one chunk.  C{content} is not empty: an empty chunk would end the message.
    """
    return b"%x\r\n%b\r\n" % (len(content), content)


def last_chunk(trailers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """
    The end of chunked content with a trailer section (RFC 9112 section 7.1.2).
    """
    return b"0\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % line for line in trailers)
