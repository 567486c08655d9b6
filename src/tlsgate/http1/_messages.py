"""
The events that readers yield.  Content is plain C{bytes}; a message's head and end are these.

They are slots classes that nobody mutates: C{attrs.frozen} would cost two to three times as much to construct, and
one is constructed for every request.
"""

from __future__ import annotations

from ._headers import Fields

__all__ = ["End", "RequestHead", "ResponseHead"]


class RequestHead:
    """
    A request line and its fields.

    @ivar target: the request target exactly as sent.
    @ivar minor: of the HTTP version: 0 or 1.
    @ivar framing: bytes of content that follow, or L{CHUNKED}.
    """

    __slots__ = ("fields", "framing", "method", "minor", "target")

    def __init__(self, method: bytes, target: bytes, minor: int, fields: Fields, framing: int) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.fields = fields
        self.framing = framing

    def __repr__(self) -> str:
        return f"<RequestHead {self.method!r} {self.target!r} HTTP/1.{self.minor} framing={self.framing}>"


class ResponseHead:
    """
    A status line and its fields.

    @ivar minor: of the HTTP version: 0 or 1.
    @ivar reason: the reason phrase, or C{None} if there was none.
    @ivar framing: bytes of content that follow, L{CHUNKED} or L{UNTIL_CLOSE}; 0 for an interim response.
    """

    __slots__ = ("fields", "framing", "minor", "reason", "status")

    def __init__(self, status: int, reason: bytes | None, minor: int, fields: Fields, framing: int) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.fields = fields
        self.framing = framing

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} HTTP/1.{self.minor} framing={self.framing}>"


class End:
    """
    A message with content has ended.

    @ivar trailers: the fields of the trailer section (RFC 9110 section 6.5) as (name, value), mostly none.
    """

    __slots__ = ("trailers",)

    def __init__(self, trailers: list[tuple[bytes, bytes]]) -> None:
        self.trailers = trailers

    def __repr__(self) -> str:
        return f"<End trailers={len(self.trailers)}>"
