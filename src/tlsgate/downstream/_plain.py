"""
The look that policy takes at a request over plain HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..policy import decide

if TYPE_CHECKING:
    from ._exchange import Exchange
    from ._meaning import RequestMeaning
    from ._plane import Plane

__all__ = ["look_at_plain"]


def look_at_plain(exchange: Exchange, meaning: RequestMeaning, plane: Plane) -> tuple[int, bytes, bytes] | None:
    """
    Redirect a request to HTTPS, if its site wants that.

    @return: status, field lines and content of the answer, or C{None} to go on.
    """
    head = exchange.head
    served = exchange.site
    assert head is not None
    assert served is not None
    fields = head.fields
    redirect = served.site.redirect
    decision = decide(
        redirect,
        method=head.method,
        target=head.target,
        host=fields.host,
        first=fields.first,
        client_ip=meaning.client_ip,
        https_port=plane.routes.https_port,
        now=plane.wall,
    )
    if decision is None:
        return None
    plane.counters.redirects[served.name, redirect.mode.value] += 1
    lines = b"Location: %b\r\nContent-Type: text/plain; charset=utf-8\r\n%b" % (
        decision.location,
        b"Cache-Control: no-store\r\n" if decision.no_store else b"",
    )
    return decision.status, lines, b"This site is at %b\n" % decision.location
