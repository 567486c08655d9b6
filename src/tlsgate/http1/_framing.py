"""
How the end of a message is known (RFC 9112 section 6), for requests and responses.

Ambiguity is the root of request smuggling: where two readers could disagree, we refuse.
"""

from __future__ import annotations

from typing import Final

from ._errors import ProtocolViolation
from ._headers import Fields

__all__ = ["CHUNKED", "UNTIL_CLOSE", "request_framing", "response_framing"]

#: Content is chunked (RFC 9112 section 7.1).
CHUNKED: Final = -1
#: Content ends when the connection does (RFC 9112 section 6.3, rule 8); responses only.
UNTIL_CLOSE: Final = -2


def request_framing(minor: int, fields: Fields) -> int:
    """
    The bytes of content a request has, or L{CHUNKED}.

    @param minor: of the HTTP version.

    @raise ProtocolViolation: the framing is ambiguous (400) or a coding is unknown (501).
    """
    length = fields.content_length
    if not fields.coded:
        return length if length > 0 else 0
    if length >= 0:
        # RFC 9112 section 6.3 rule 3 lets a server process it; "ought to be handled as an error".
        raise ProtocolViolation("Content-Length beside Transfer-Encoding", code="two-framings")
    if minor == 0:
        # RFC 9112 section 6.1: the framing is faulty, since HTTP/1.0 has no transfer codings.
        raise ProtocolViolation("Transfer-Encoding in HTTP/1.0", code="coding-in-1.0")
    if fields.chunked:
        return CHUNKED
    if not fields.coding_known:
        raise ProtocolViolation("unknown transfer coding", 501, "unknown-coding")
    raise ProtocolViolation("any transfer coding but one final chunked is refused", code="coding")


def response_framing(status: int, method: bytes, minor: int, fields: Fields) -> int:
    """
    The bytes of content a response has, L{CHUNKED} or L{UNTIL_CLOSE}.

    @param method: of the request that is answered.

    @raise ProtocolViolation: the framing cannot be trusted; the response must become a 502.
    """
    if fields.coded:
        if fields.content_length >= 0:
            raise ProtocolViolation("Content-Length beside Transfer-Encoding in a response", code="two-framings")
        if not fields.chunked or minor == 0:
            raise ProtocolViolation("transfer coding of a response is not one final chunked", code="coding")
    # RFC 9112 section 6.3 rules 1 and 2: these never have content, whatever the fields say.
    if method == b"HEAD" or status in (204, 304) or status < 200:
        return 0
    if fields.coded:
        return CHUNKED
    return fields.content_length if fields.content_length >= 0 else UNTIL_CLOSE
