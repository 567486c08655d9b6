"""
The look that policy takes at a request over plain HTTP.

What follows from the fields alone is worked out once and kept on the L{RequestMeaning}, as everything of its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Blame, GateError
from ..policy import (
    Decision,
    Found,
    HandedOn,
    PlainRequest,
    credentials_in_fields,
    explain,
    is_browser,
    is_login,
    is_trusted,
)
from ..sites import Credentials, RedirectMode

if TYPE_CHECKING:
    from ..http1 import Fields, RequestHead
    from ._exchange import Exchange
    from ._meaning import RequestMeaning
    from ._plane import Plane
    from ._routing import ServedSite

__all__ = ["CredentialsInClear", "PlainMeaning", "look_at_plain"]

_LOGIN = Found("login", "")


class CredentialsInClear(GateError):
    """
    Whoever sent credentials over plain HTTP must learn that they have to be replaced.
    """

    blame = Blame.DOWNSTREAM
    status = 403
    code = "credentials-in-clear"

    def __init__(self) -> None:
        super().__init__(
            "This request carries credentials over plain HTTP, where anybody on the way can read them: send it to the https "
            "URL, and replace the credentials."
        )


class PlainMeaning:
    """
    What a field section means over plain HTTP.

    @ivar found: the credentials in the fields, or C{None}.
    @ivar navigates: would it be a browser's, if the method is GET or HEAD?
    @ivar handed_on: what it says of a proxy.
    """

    __slots__ = ("found", "handed_on", "navigates")

    def __init__(self, fields: Fields, plane: Plane) -> None:
        first = fields.first
        self.found = credentials_in_fields(fields.lines, salt=plane.salt)
        self.navigates = is_browser(b"GET", first)
        self.handed_on = HandedOn.of(first)


def look_at_plain(exchange: Exchange, meaning: RequestMeaning, plane: Plane) -> tuple[int, bytes, bytes] | None:
    """
    Note a request over plain HTTP, and redirect it to HTTPS if its site wants that.

    @return: status, field lines and content of the answer, or C{None} to go on.

    @raise CredentialsInClear: the site refuses credentials over plain HTTP, and there are some.
    """
    head = exchange.head
    served = exchange.site
    assert head is not None
    assert served is not None
    site = served.site
    plain = meaning.plain
    if plain is None:
        plain = meaning.plain = PlainMeaning(head.fields, plane)
    method = head.method
    found: Found | None = None
    if site.plaintext_credentials is not Credentials.ALLOW:
        found = plain.found or (_LOGIN if is_login(method, head.target) else None)
    decision = _decide(exchange, meaning, plane, found)
    redirected = decision is not None and decision.redirected
    plane.report.note(
        served.name,
        meaning.client_ip,
        meaning.user_agent,
        method,
        head.target,
        plane.wall,
        browser=plain.navigates and method in (b"GET", b"HEAD"),
        redirected=redirected,
        kind="" if found is None else found.kind,
        fingerprint="" if found is None else found.fingerprint,
    )
    if found is not None:
        plane.counters.plaintext_credentials[served.name] += 1
    if decision is None:
        return None
    if decision.would:
        plane.counters.redirects[served.name, site.redirect.mode.value] += 1
    if decision.redirected:
        lines = b"Location: %b\r\nContent-Type: text/plain; charset=utf-8\r\n%b" % (
            decision.location,
            b"Cache-Control: no-store\r\n" if decision.no_store else b"",
        )
        return decision.status, lines, b"This site is at %b\n" % decision.location
    if decision.status:
        raise CredentialsInClear
    return None


def _decide(exchange: Exchange, meaning: RequestMeaning, plane: Plane, found: Found | None) -> Decision | None:
    head: RequestHead = exchange.head  # type: ignore[assignment]  # what has no head is never looked at
    served: ServedSite = exchange.site  # type: ignore[assignment]  # likewise
    site = served.site
    refuse = found is not None and site.plaintext_credentials is Credentials.REFUSE
    if site.redirect.mode is RedirectMode.DISABLED and not refuse:
        return None
    fields = head.fields
    peer = exchange.channel.peer_ip
    now = plane.wall
    request = PlainRequest(
        method=head.method,
        target=head.target,
        host=fields.host,
        first=fields.first,
        client_ip=meaning.client_ip,
        https_port=plane.routes.https_port,
        now=now,
        suspended=plane.loops.is_suspended(served.name, peer, now),
        refuse=refuse,
    )
    decision = explain(site.redirect, request)
    plain = meaning.plain
    if not decision.redirected or plain is None or not plain.handed_on.may_loop:
        return decision
    trusted = is_trusted(peer, site.trusted_peers)
    looping = plane.loops.note(
        served.name, peer, plain.handed_on.client, head.target, now, claimed=plain.handed_on.claimed, trusted=trusted
    )
    return None if looping else decision
