"""
The redirect and HSTS policies for any C{twisted.web} site.

::

    from twisted.web.server import Site
    from twisted.web.static import File
    from tlsgate.resources import HSTSResource, RedirectResource
    from tlsgate.sites import HSTS, Redirect, RedirectMode

    root = File("/srv/www")
    plain = Site(RedirectResource(root, Redirect(mode=RedirectMode.BROWSERS), https_port=443))
    secure = Site(HSTSResource(root, HSTS(enabled=True, max_age=3600)))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.web.resource import IResource
from zope.interface import implementer

from .policy import decide, hsts_value
from .sites import HSTS, Redirect

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
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """
        @param https_port: as clients see it.
        @param wall_clock: gives Unix time.
        """
        super().__init__(wrapped, wall_clock)
        self._redirect = redirect
        self._https_port = https_port

    def _answer(self, request: Any) -> Any:
        first: dict[bytes, bytes] = {}
        for name, values in request.requestHeaders.getAllRawHeaders():
            first[name.lower()] = values[0]
        hosts = request.requestHeaders.getRawHeaders(b"host", [])
        decision = decide(
            self._redirect,
            method=request.method,
            target=request.uri,
            host=hosts[0] if len(hosts) == 1 else b"",
            first=first,
            client_ip=getattr(request.getClientAddress(), "host", ""),
            https_port=self._https_port,
            now=self._wall_clock(),
            secure=request.isSecure(),
        )
        if decision is None:
            return None
        return _Redirected(decision.status, decision.location, decision.no_store)


@implementer(IResource)
class _Redirected:
    """
    A redirect without content: nothing of the request can become HTML (CVE-2024-41810).
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
