"""
HTTP to HTTPS: which requests are redirected, where to, and by which rule.

L{decide} and L{explain} are one computation: an explanation is a decision that is shown instead of sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

import attrs

from ..sites import Redirect, RedirectMode

__all__ = ["Decision", "decide", "explain", "is_browser"]

_HTML: Final = b"text/html"


@attrs.frozen(kw_only=True)
class Decision:
    """
    What becomes of a request over plain HTTP.

    @ivar status: of the redirect; 0 if there is none.
    @ivar location: complete; empty if there is none.
    @ivar rule: which rule decided, lower case with hyphens.
    @ivar would: would another mode than C{report} or C{disabled} have redirected it?
    @ivar no_store: must the redirect not be cached?
    """

    status: int = 0
    location: bytes = b""
    rule: str
    would: bool = False
    no_store: bool = False


def is_browser(method: bytes, first: Mapping[bytes, bytes]) -> bool:
    """
    Is this a person's navigation, which may be sent elsewhere without breaking a script?

    @param first: lower-case name to the first value.
    """
    if method not in (b"GET", b"HEAD") or b"authorization" in first or b"upgrade" in first:
        return False
    if first.get(b"sec-fetch-mode", b"").lower() == b"navigate":
        return True
    agent = first.get(b"user-agent", b"")
    return agent.startswith((b"Mozilla/", b"Opera/")) and _HTML in first.get(b"accept", b"").lower()


def explain(
    redirect: Redirect,
    *,
    method: bytes,
    target: bytes,
    host: bytes,
    first: Mapping[bytes, bytes],
    client_ip: str,
    https_port: int,
    now: float,
) -> Decision:
    """
    What happens to a request over plain HTTP, and by which rule.

    @param target: in origin-form, or C{*}.
    @param host: validated, lower case, without its port.
    @param first: lower-case field name to the first value.
    @param client_ip: an address literal; empty behind a UNIX socket.
    @param https_port: as clients see it; 0 if there is no https binding.
    @param now: Unix time.
    """
    mode = redirect.mode
    if mode is RedirectMode.DISABLED:
        return Decision(rule="disabled")
    if not https_port:
        return Decision(rule="no-https-binding")
    if not host or not target.startswith(b"/"):
        return Decision(rule="no-location")
    if any(target.startswith(prefix) for prefix in redirect.exempt_paths):
        return Decision(rule="exempt-path")
    if client_ip and redirect.exempt_networks:
        address = ip_address(client_ip)
        if any(address in network for network in redirect.exempt_networks):
            return Decision(rule="exempt-network")
    browser = is_browser(method, first)
    if mode is RedirectMode.BROWSERS and not browser:
        return Decision(rule="not-a-browser")
    rule = "browser" if mode is RedirectMode.BROWSERS else "all"
    if mode is RedirectMode.REPORT:
        return Decision(rule="report", would=True)
    port = b"" if https_port == 443 else b":%d" % https_port
    status = redirect.status
    soaking = False
    if status == 0:
        soaking = now < redirect.changed_at + redirect.soak
        status = 307 if soaking else 308
    return Decision(
        status=status,
        location=b"https://%b%b%b" % (host, port, target),
        rule=rule,
        would=True,
        no_store=soaking or status in (302, 307),
    )


def decide(
    redirect: Redirect,
    *,
    method: bytes,
    target: bytes,
    host: bytes,
    first: Mapping[bytes, bytes],
    client_ip: str,
    https_port: int,
    now: float,
) -> Decision | None:
    """
    The redirect to answer with, or C{None}; parameters as L{explain}.
    """
    decision = explain(
        redirect,
        method=method,
        target=target,
        host=host,
        first=first,
        client_ip=client_ip,
        https_port=https_port,
        now=now,
    )
    return decision if decision.status else None
