"""
Responses on their way to the client: hop-by-hop fields, HSTS, and what an upstream gets wrong behind TLS.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from ._hop_by_hop import Line, end_to_end

__all__ = ["downstream_fields", "offload"]

_LOCATION: Final = re.compile(rb"http://(\[[0-9A-Fa-f:.]+\]|[^/?#:@\[\]\\\s]+)(?::[0-9]*)?(?=[/?#]|$)", re.IGNORECASE)
_SECURE: Final = re.compile(rb";[ \t]*secure[ \t]*(?=;|$)", re.IGNORECASE)


def downstream_fields(fields: Iterable[Line], connection_options: frozenset[bytes]) -> list[Line]:
    """
    The upstream's fields that go on to the client: end-to-end ones, without C{Strict-Transport-Security}, which is
    the gate's alone to send.
    """
    return [line for line in end_to_end(fields, connection_options) if line[0].lower() != b"strict-transport-security"]


def offload(
    fields: Iterable[Line], hosts: Collection[bytes], *, https_port: int = 443, fix: bool = True
) -> tuple[list[Line], dict[str, int]]:
    """
    Find, and with C{fix} rewrite, what an upstream says that does not know of the TLS in front of it.

    @param hosts: the site's own names and the request's host: lower case, without port.  Others are never touched.
    @param https_port: of the site as clients see it.

    @return: the fields, and how often each was found: C{location}, C{cookie}, C{hsts}.
    """
    counts: dict[str, int] = {}
    kept: list[Line] = []
    port = b"" if https_port == 443 else b":%d" % https_port
    for name, value in fields:
        lower = name.lower()
        amended = value
        what = ""
        if lower == b"location":
            match = _LOCATION.match(value)
            if match is not None and match[1].lower() in hosts:
                what = "location"
                amended = b"https://%b%b%b" % (match[1], port, value[match.end() :])
        elif lower == b"set-cookie":
            if _SECURE.search(value) is None:
                what = "cookie"
                amended = value + b"; Secure"
        elif lower == b"strict-transport-security":
            what = "hsts"
        if what:
            counts[what] = counts.get(what, 0) + 1
        kept.append((name, amended if fix else value))
    return kept, counts
