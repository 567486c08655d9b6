"""
The redirect and HSTS policies for any C{twisted.web} site.

A site that listens on plain HTTP sends browsers to the one on HTTPS, and that one sends HSTS::

    >>> from twisted.web.resource import Resource
    >>> from twisted.web.server import Site
    >>> from tlsgate.resources import HSTSResource, RedirectResource
    >>> from tlsgate.sites import HSTS, Redirect, RedirectMode
    >>> root = Resource()  # whatever your site serves
    >>> plain = Site(RedirectResource(root, Redirect(mode=RedirectMode.BROWSERS), https_port=443))
    >>> secure = Site(HSTSResource(root, HSTS(enabled=True, max_age=3600)))

Behind a proxy that terminates TLS, name it; one that is not named is redirected a few times, until it shows to loop::

    >>> from ipaddress import ip_network
    >>> redirect = Redirect(mode=RedirectMode.ALL)
    >>> wrapped = RedirectResource(root, redirect, trusted_peers=[ip_network("10.0.0.0/8")])

To learn who still uses plain HTTP before redirecting anybody, ask for a report::

    >>> from tlsgate.policy import PlainHTTPReport
    >>> report = PlainHTTPReport()
    >>> wrapped = RedirectResource(root, Redirect(mode=RedirectMode.REPORT), report=report)
    >>> report.note("www", "192.0.2.1", b"curl/8.5", b"POST", b"/api/jobs?id=7", now=0.0)
    >>> [(row["user_agent"], row["path"], row["verdict"]) for row in report.shown()]
    [('curl', '/api', 'would-break')]
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.web.resource import IResource
from zope.interface import implementer

from .policy import Explanation, LoopDetector, PlainHTTPReport, explain_request, hsts_value, is_trusted
from .sites import HSTS, Credentials, Network, Redirect, Site

__all__ = ["HSTSResource", "RedirectResource"]


class _Wrapper:
    """
    Asks the wrapped resource, after something was done to the request.
    """

    isLeaf = False
    server = None

    def __init__(self, wrapped: IResource, wall_clock: Callable[[], float]) -> None:
        self._wrapped: Any = wrapped
        self._wall_clock = wall_clock
        self.isLeaf = bool(self._wrapped.isLeaf)

    def putChild(self, path: bytes, child: IResource) -> None:
        """
        Add a child to the wrapped resource.
        """
        self._wrapped.putChild(path, child)

    def getChildWithDefault(self, name: bytes, request: Any) -> Any:
        """
        The wrapped resource's child, unless the policy answers.
        """
        return self._answer(request) or self._wrapped.getChildWithDefault(name, request)

    def render(self, request: Any) -> Any:
        """
        The wrapped resource's content, unless the policy answers.
        """
        return (self._answer(request) or self._wrapped).render(request)

    def _answer(self, request: Any) -> Any:
        raise NotImplementedError


@implementer(IResource)
class RedirectResource(_Wrapper):
    """
    Redirects plain-HTTP requests to HTTPS by the gate's policy; all others reach the wrapped resource.
    """

    def __init__(
        self,
        wrapped: IResource,
        redirect: Redirect,
        *,
        https_port: int = 443,
        trusted_peers: Sequence[Network] = (),
        plaintext_credentials: Credentials = Credentials.ALLOW,
        report: PlainHTTPReport | None = None,
        loops: LoopDetector | None = None,
        name: str = "-",
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """
        @param https_port: as clients see it.
        @param trusted_peers: networks whose C{X-Forwarded-*} are believed.
        @param plaintext_credentials: C{REFUSE} answers 403 where they come in clear.
        @param report: notes who uses plain HTTP, if given.
        @param loops: finds proxies that terminate TLS and are not in C{trusted_peers}; C{None} for one of its own.
        @param name: of the site in the report.
        @param wall_clock: gives Unix time.
        """
        super().__init__(wrapped, wall_clock)
        self._site = Site(
            name=name,
            hosts=("*",),
            upstream="",
            redirect=redirect,
            trusted_peers=tuple(trusted_peers),
            plaintext_credentials=plaintext_credentials,
        )
        self._https_port = https_port
        self._report = report
        self._loops = LoopDetector() if loops is None else loops
        self._salt = os.urandom(16)

    def _answer(self, request: Any) -> Any:
        fields = [(name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values]
        peer = getattr(request.getClientAddress(), "host", "")
        now = self._wall_clock()
        agent = request.requestHeaders.getRawHeaders(b"user-agent", [b""])[0]
        if request.isSecure():
            if self._report is not None:
                self._report.seen_secure(peer, agent, now)
            return None
        hosts = request.requestHeaders.getRawHeaders(b"host", [])
        explanation = explain_request(
            self._site,
            method=request.method,
            target=request.uri,
            host=hosts[0] if len(hosts) == 1 else b"",
            fields=fields,
            peer=peer,
            https_port=self._https_port,
            now=now,
            suspended=self._loops.is_suspended(self._site.name, peer, now),
            salt=self._salt,
        )
        decision = explanation.decision
        redirected = decision.redirected and not self._is_looping(explanation, peer, request.uri, now)
        if self._report is not None and decision.rule != "secure":
            self._report.note(
                self._site.name,
                explanation.client_ip,
                agent,
                request.method,
                request.uri,
                now,
                browser=explanation.browser,
                redirected=redirected,
                kind=explanation.credentials,
                fingerprint=explanation.fingerprint,
            )
        if redirected:
            return _Redirected(decision.status, decision.location, decision.no_store)
        refused = decision.status and not decision.redirected
        return _Redirected(decision.status, b"", no_store=True) if refused else None

    def _is_looping(self, explanation: Explanation, peer: str, target: bytes, now: float) -> bool:
        handed_on = explanation.handed_on
        if not handed_on.may_loop:
            return False
        trusted = is_trusted(peer, self._site.trusted_peers)
        return self._loops.note(
            self._site.name, peer, handed_on.client, target, now, claimed=handed_on.claimed, trusted=trusted
        )


@implementer(IResource)
class _Redirected:
    """
    A redirect or a refusal without content: nothing of the request can become HTML (CVE-2024-41810).
    """

    isLeaf = True
    server = None

    def __init__(self, status: int, location: bytes, no_store: bool) -> None:
        self._status = status
        self._location = location
        self._no_store = no_store

    def putChild(self, path: bytes, child: IResource) -> None:
        """
        It has no children.
        """
        raise TypeError("a redirect has no children")

    def getChildWithDefault(self, name: bytes, request: Any) -> Any:
        """
        It answers for all below it.
        """
        return self

    def render(self, request: Any) -> bytes:
        """
        The redirect.
        """
        request.setResponseCode(self._status)
        if self._location:
            request.setHeader(b"location", self._location)
        request.setHeader(b"content-length", b"0")
        if self._no_store:
            request.setHeader(b"cache-control", b"no-store")
        return b""


@implementer(IResource)
class HSTSResource(_Wrapper):
    """
    Sends C{Strict-Transport-Security} on every response over HTTPS, and never over plain HTTP.
    """

    def __init__(self, wrapped: IResource, hsts: HSTS, *, wall_clock: Callable[[], float] = time.time) -> None:
        """
        @param wall_clock: gives Unix time.
        """
        super().__init__(wrapped, wall_clock)
        self._hsts = hsts

    def _answer(self, request: Any) -> Any:
        value = hsts_value(self._hsts, self._wall_clock())
        if value and request.isSecure():
            request.setHeader(b"strict-transport-security", value)
