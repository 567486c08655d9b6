"""
From HTTP to HTTPS: which requests, with which status, and by which rule.

L{explain} decides for the data plane and for whoever asks beforehand.  There is no second path, so that they cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from ..sites import Redirect, RedirectMode
from ._challenge import challenge_answer
from ._forwarded import is_trusted

__all__ = ["Decision", "PlainRequest", "explain", "is_browser", "origin_form"]

_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-][A-Za-z0-9._-]*)(?::[0-9]*)?")
_ABSOLUTE: Final = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
# A control or a space would end the field or the URL; "#" would hide the rest of the target from the server.
_UNSAFE: Final = re.compile(rb"[\x00-\x20\x7f#]")


@attrs.frozen(kw_only=True)
class Decision:
    """
    What becomes of a request over plain HTTP.

    @ivar status: of the redirect, or 403 for credentials in clear; 0 if the request goes on.
    @ivar location: complete, also in mode C{report}; empty if there is none.
    @ivar rule: which rule decided; stable, lower case with hyphens.
    @ivar would: would it be redirected, if the mode were not C{report}?
    @ivar no_store: send C{Cache-Control: no-store}, since the redirect may yet be taken back.
    """

    status: int = 0
    location: bytes = b""
    rule: str
    would: bool = False
    no_store: bool = False

    @property
    def redirected(self) -> bool:
        """
        Is the request answered with a redirect?
        """
        return self.status != 0 and self.location != b""


#: What becomes of a request that goes on, by rule; made once, since most plain requests of a busy site end here.
_STAYS: Final = {
    rule: Decision(rule=rule)
    for rule in (
        "secure",
        "acme-challenge",
        "disabled",
        "exempt-path",
        "exempt-network",
        "target",
        "host",
        "no-https-port",
        "loop",
        "not-a-browser",
    )
}
_REFUSED: Final = Decision(status=403, rule="credentials-in-clear")


def is_browser(method: bytes, first: Mapping[bytes, bytes]) -> bool:
    """
    Is it a person's browser that navigates?  GET or HEAD, without C{Authorization} and C{Upgrade}, and either
    C{Sec-Fetch-Mode: navigate} or (a C{User-Agent} of a browser and C{Accept} with C{text/html}).

    @param first: lower-case field name to the first value.
    """
    if method not in (b"GET", b"HEAD") or b"authorization" in first or b"upgrade" in first:
        return False
    if first.get(b"sec-fetch-mode", b"").lower() == b"navigate":
        return True
    agent = first.get(b"user-agent", b"")
    return agent.startswith((b"Mozilla/", b"Opera/")) and b"text/html" in first.get(b"accept", b"").lower()


def origin_form(target: bytes) -> bytes:
    """
    The path and query of a request target; empty if it has none that can be redirected (C{*}, an authority).
    """
    match = _ABSOLUTE.match(target)
    if match is not None:
        target = target[match.end() :]
        if not target.startswith(b"/"):
            target = b"/" + target
    return target if target.startswith(b"/") and not _UNSAFE.search(target) else b""


@attrs.define(kw_only=True)
class PlainRequest:
    """
    A request over plain HTTP, and what else a decision about it depends on.  Nobody changes one.

    @ivar host: the request's host, with or without port.
    @ivar first: lower-case field name to the first value.
    @ivar client_ip: an address literal; empty behind a UNIX socket.
    @ivar https_port: of the first https binding as clients see it; 0 if there is none.
    @ivar now: Unix time.
    @ivar secure: did the client speak HTTPS, to a trusted peer (see L{is_secure})?
    @ivar suspended: is the redirect suspended for this peer, because it loops (see L{LoopDetector})?
    @ivar challenges: live ACME challenges, token to key authorization.
    @ivar refuse: does the request carry credentials that its site refuses over plain HTTP?
    """

    method: bytes
    target: bytes
    host: bytes
    first: Mapping[bytes, bytes]
    client_ip: str
    https_port: int
    now: float
    secure: bool = False
    suspended: bool = False
    challenges: Mapping[bytes, bytes] | None = None
    refuse: bool = False


def explain(redirect: Redirect, request: PlainRequest) -> Decision:
    """
    What happens to a request, and by which rule.
    """
    rule = ""
    path = origin_form(request.target)
    match = _HOST.fullmatch(request.host)
    if request.challenges and challenge_answer(request.target, request.challenges) is not None:
        rule = "acme-challenge"
    elif request.secure:
        rule = "secure"
    elif exempt := _exemption(redirect, path, request.client_ip):
        rule = exempt
    elif request.refuse:
        return _REFUSED
    elif redirect.mode is RedirectMode.DISABLED:
        rule = "disabled"
    elif not path:
        rule = "target"
    elif match is None:
        rule = "host"
    elif not request.https_port:
        rule = "no-https-port"
    elif request.suspended:
        rule = "loop"
    elif redirect.mode is RedirectMode.BROWSERS and not is_browser(request.method, request.first):
        rule = "not-a-browser"
    if rule or match is None:
        return _STAYS[rule]
    port = b"" if request.https_port == 443 else b":%d" % request.https_port
    location = b"https://%b%b%b" % (match[1], port, path)
    if redirect.mode is RedirectMode.REPORT:
        return Decision(rule="report", would=True, location=location)
    soaking = not redirect.status and request.now < redirect.changed_at + redirect.soak
    return Decision(
        status=redirect.status or (307 if soaking else 308),
        location=location,
        rule="browser" if redirect.mode is RedirectMode.BROWSERS else "all",
        would=True,
        no_store=soaking,
    )


def _exemption(redirect: Redirect, path: bytes, client_ip: str) -> str:
    if any(path.startswith(prefix) for prefix in redirect.exempt_paths):
        return "exempt-path"
    if redirect.exempt_networks and is_trusted(client_ip, redirect.exempt_networks):
        return "exempt-network"
    return ""
