"""
Which fields of a trailer section may go on (RFC 9110 section 6.5.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ._hop_by_hop import HOP_BY_HOP, Line

__all__ = ["trailers_to_pass"]

#: What decides framing, routing, authentication or how content is read must not arrive after the content.
_FORBIDDEN: Final = HOP_BY_HOP | frozenset(
    {
        b"age",
        b"authorization",
        b"cache-control",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"date",
        b"expect",
        b"expires",
        b"forwarded",
        b"host",
        b"location",
        b"max-forwards",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"range",
        b"set-cookie",
        b"strict-transport-security",
        b"trailer",
        b"vary",
        b"www-authenticate",
        b"x-request-id",
    }
)


def trailers_to_pass(trailers: Iterable[Line]) -> list[Line]:
    """
    The fields of a trailer section that may go on, in order.
    """
    return [
        line
        for line in trailers
        if (lower := line[0].lower()) not in _FORBIDDEN and not lower.replace(b"_", b"-").startswith(b"x-forwarded-")
    ]
