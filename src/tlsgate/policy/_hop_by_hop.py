"""
Which fields end at this connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["END_TO_END", "HOP_BY_HOP", "Line", "end_to_end"]

Line = tuple[bytes, bytes]

#: Never forwarded, named by C{Connection} or not.  RFC 9110 section 7.6.1 lists the first six; the C{Proxy-} ones are
#: for the next hop only (RFC 9110 section 11.7); C{HTTP2-Settings} belongs to C{Upgrade: h2c} (RFC 7540 section
#: 3.2.1), which is not forwarded.  C{Trailer} announces trailers, which are forwarded (RFC 9110 section 6.6.2): it stays.
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"http2-settings",
    }
)

#: What C{Connection} cannot remove.  A sender must not name fields that are meant for all recipients (RFC 9110 section
#: 7.6.1); who does so tries to make the upstream decide without them.
END_TO_END: Final = frozenset(
    {
        b"host",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"content-range",
        b"authorization",
        b"cookie",
        b"set-cookie",
        b"cache-control",
        b"date",
        b"expect",
        b"forwarded",
        b"location",
        b"max-forwards",
        b"origin",
        b"range",
        b"referer",
        b"strict-transport-security",
        b"trailer",
        b"user-agent",
        b"via",
        b"www-authenticate",
        b"x-real-ip",
        b"x-request-id",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
    }
)


def end_to_end(fields: Iterable[Line], connection_options: frozenset[bytes]) -> list[Line]:
    """
    The fields that go on to the other side, in their order.

    @param connection_options: lower-case options of all C{Connection} lines.
    """
    dropped = HOP_BY_HOP | (connection_options - END_TO_END) if connection_options else HOP_BY_HOP
    return [line for line in fields if line[0].lower() not in dropped]
