"""
Which requests are redirected, where to, and by which rule.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.policy import PlainRequest, explain, is_browser
from tlsgate.sites import Redirect, RedirectMode

FIREFOX = [(b"User-Agent", b"Mozilla/5.0 Firefox/140.0"), (b"Accept", b"text/html,*/*")]


def first(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in fields}


def request(**changes: Any) -> PlainRequest:
    usual: dict[str, Any] = {
        "method": b"GET",
        "target": b"/a%2Fb?c=d",
        "host": b"example.com",
        "first": first(FIREFOX),
        "client_ip": "192.0.2.1",
        "https_port": 443,
        "now": 1000.0,
    }
    return PlainRequest(**{**usual, **changes})


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        (b"GET", FIREFOX, True),
        (b"HEAD", FIREFOX, True),
        (b"POST", FIREFOX, False),
        (b"GET", [*FIREFOX, (b"AUTHORIZATION", b"x")], False),
        (b"GET", [*FIREFOX, (b"Upgrade", b"websocket")], False),
        (b"GET", [(b"Sec-Fetch-Mode", b"navigate")], True),
        (b"GET", [(b"User-Agent", b"curl/8"), (b"Accept", b"text/html")], False),
        (b"GET", [(b"User-Agent", b"Mozilla/5.0"), (b"Accept", b"*/*")], False),
    ],
)
def test_browser(method: bytes, fields: list[tuple[bytes, bytes]], expected: bool) -> None:
    """A browser request is one that the contract calls so."""
    assert is_browser(method, first(fields)) is expected


@pytest.mark.parametrize(
    ("redirect", "changes", "rule"),
    [
        (Redirect(), {}, "disabled"),
        (Redirect(mode=RedirectMode.ALL), {"secure": True}, "secure"),
        (Redirect(mode=RedirectMode.ALL), {"https_port": 0}, "no-https-port"),
        (Redirect(mode=RedirectMode.ALL), {"suspended": True}, "loop"),
        (Redirect(mode=RedirectMode.ALL), {"target": b"*"}, "target"),
        (Redirect(mode=RedirectMode.ALL), {"host": b"evil.com/@x"}, "host"),
        (Redirect(mode=RedirectMode.BROWSERS), {"method": b"POST"}, "not-a-browser"),
        (Redirect(mode=RedirectMode.ALL, exempt_paths=(b"/a",)), {}, "exempt-path"),
        (Redirect(mode=RedirectMode.ALL, exempt_networks=(ip_network("192.0.2.0/24"),)), {}, "exempt-network"),
        (
            Redirect(mode=RedirectMode.ALL),
            {"target": b"/.well-known/acme-challenge/tok", "challenges": {b"tok": b"x"}, "secure": True},
            "acme-challenge",
        ),
    ],
)
def test_not_redirected(redirect: Redirect, changes: dict[str, Any], rule: str) -> None:
    """Each rule that keeps a request from being redirected says its name."""
    decision = explain(redirect, request(**changes))
    assert (decision.rule, decision.status, decision.location, decision.would) == (rule, 0, b"", False)


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({}, b"https://example.com/a%2Fb?c=d"),
        ({"https_port": 8443, "host": b"example.com:8080"}, b"https://example.com:8443/a%2Fb?c=d"),
        ({"target": b"//evil.com"}, b"https://example.com//evil.com"),
        ({"target": b"http://evil.com?x"}, b"https://example.com/?x"),
        ({"host": b"[::1]:80"}, b"https://[::1]/a%2Fb?c=d"),
    ],
)
def test_location(changes: dict[str, Any], location: bytes) -> None:
    """The redirect leads to the request's own host and unchanged target."""
    assert explain(Redirect(mode=RedirectMode.ALL), request(**changes)).location == location


def test_soak() -> None:
    """An automatic status is 307 without storing until the soak is over, and 308 from then on."""
    redirect = Redirect(mode=RedirectMode.ALL, changed_at=1000, soak=10)
    for now, status in ((1009.9, 307), (1010.0, 308)):
        decision = explain(redirect, request(now=now))
        assert (decision.status, decision.no_store) == (status, status == 307)


def test_report_redirects_nothing() -> None:
    """In report mode nothing is redirected, but it is said what would be."""
    decision = explain(Redirect(mode=RedirectMode.REPORT), request())
    assert (decision.status, decision.redirected, decision.would) == (0, False, True)
    assert decision.location == b"https://example.com/a%2Fb?c=d"


@pytest.mark.parametrize("mode", RedirectMode)
def test_refused_credentials(mode: RedirectMode) -> None:
    """Credentials that the site refuses are answered 403 in every mode; HTTPS, challenges and exemptions come first."""
    redirect = Redirect(mode=mode, exempt_paths=(b"/exempt",))
    decision = explain(redirect, request(refuse=True))
    assert (decision.status, decision.rule, decision.redirected) == (403, "credentials-in-clear", False)
    challenge = {"target": b"/.well-known/acme-challenge/tok", "challenges": {b"tok": b"x"}}
    for free in ({"secure": True}, challenge, {"target": b"/exempt/x"}):
        assert explain(redirect, request(refuse=True, **free)).status == 0


@settings(deadline=None, max_examples=150)
@given(
    mode=st.sampled_from(RedirectMode),
    status=st.sampled_from([0, 301, 302, 307, 308]),
    method=st.sampled_from([b"GET", b"POST"]),
    target=st.one_of(st.binary(max_size=20), st.binary(max_size=20).map(lambda rest: b"/" + rest)),
    host=st.one_of(st.just(b"example.com"), st.binary(max_size=12)),
    port=st.sampled_from([0, 443, 8443]),
    secure=st.booleans(),
    refuse=st.booleans(),
)
def test_no_redirect_leaves_its_host(
    *, mode: RedirectMode, status: int, method: bytes, target: bytes, host: bytes, port: int, secure: bool, refuse: bool
) -> None:
    """For any request, a redirect leads to the host that was asked, in one line, and only such a mode makes one."""
    asked = request(method=method, target=target, host=host, https_port=port, secure=secure, refuse=refuse)
    decision = explain(Redirect(mode=mode, status=status), asked)
    assert decision.would == (decision.location != b"")
    if decision.redirected:
        assert mode in (RedirectMode.BROWSERS, RedirectMode.ALL)
    if decision.location:
        name = host.partition(b":")[0] if not host.startswith(b"[") else host[: host.index(b"]") + 1]
        assert decision.location.startswith(b"https://" + name + (b"/" if port == 443 else b":8443/"))
        assert not set(decision.location) & set(b"\r\n \0")
