"""
The policies as resources of a twisted.web site.
"""

from __future__ import annotations

import doctest
from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site
from twisted.web.test.requesthelper import DummyChannel
from zope.interface.verify import verifyObject

from tlsgate import resources
from tlsgate.policy import LoopDetector, PlainHTTPReport, loop_findings
from tlsgate.resources import HSTSResource, RedirectResource
from tlsgate.sites import HSTS, Credentials, Redirect, RedirectMode


def ask(root: IResource, target: bytes, secure: bool = False, fields: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    channel = DummyChannel()
    channel.transport = DummyChannel.SSL() if secure else DummyChannel.TCP()
    channel.site = Site(root)
    channel.factory = channel.site
    request = Request(channel, False)
    request.site = channel.site
    request.requestHeaders.addRawHeader(b"Host", b"example.com:8080")
    for name, value in fields:
        request.requestHeaders.addRawHeader(name, value)
    request.gotLength(0)
    request.requestReceived(b"GET", target, b"HTTP/1.1")
    return channel.transport.written.getvalue()


class Leaf(Resource):
    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        return b"content"


def leaf() -> Leaf:
    return Leaf()


ALL = Redirect(mode=RedirectMode.ALL, status=308)


def test_redirects_plain_http() -> None:
    """A plain request is redirected with its target unchanged and nothing of it in the content."""
    written = ask(RedirectResource(leaf(), ALL, https_port=8443), b"/a%2Fb?<script>")
    head, _, content = written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 308")
    assert b"Location: https://example.com:8443/a%2Fb?<script>" in head
    assert content == b""


def test_leaves_https_alone() -> None:
    """A request over HTTPS reaches the wrapped resource."""
    assert ask(RedirectResource(leaf(), ALL), b"/", secure=True).endswith(b"content")


@pytest.mark.parametrize("secure", [True, False])
def test_hsts_only_over_https(secure: bool) -> None:
    """HSTS is sent over HTTPS and never over plain HTTP."""
    written = ask(HSTSResource(leaf(), HSTS(enabled=True, max_age=60)), b"/", secure=secure)
    assert (b"Strict-Transport-Security: max-age=60" in written) is secure


def test_examples_run() -> None:
    """The examples in the module's docstring are true."""
    ran = doctest.testmod(resources)
    assert ran.attempted >= 8
    assert ran.failed == 0


def test_report_and_refusal() -> None:
    """The report notes plain requests and who follows, and refused credentials are answered 403."""
    report = PlainHTTPReport()
    root = RedirectResource(leaf(), ALL, report=report, plaintext_credentials=Credentials.REFUSE)
    assert ask(root, b"/").startswith(b"HTTP/1.1 308")
    assert report.shown()[0]["verdict"] == "unknown"
    ask(root, b"/", secure=True)
    assert report.shown()[0]["verdict"] == "follows"
    refused = ask(root, b"/x", fields=[(b"Authorization", b"x")])
    assert refused.startswith(b"HTTP/1.1 403")
    assert b"location" not in refused.lower()
    assert report.shown()[0]["credentials_kind"] == "authorization"
    assert len(report.shown()[0]["fingerprint"]) == 12


def test_trusted_peer_is_believed() -> None:
    """A trusted peer that says that its client spoke HTTPS is not redirected."""
    fields = [(b"X-Forwarded-Proto", b"https")]
    trusting = RedirectResource(leaf(), ALL, trusted_peers=[ip_network("192.168.1.0/24")])
    assert ask(trusting, b"/", fields=fields).endswith(b"content")
    assert b"308" in ask(RedirectResource(leaf(), ALL), b"/", fields=fields)


def test_a_loop_is_suspended() -> None:
    """A proxy that terminates TLS without being trusted is redirected a few times only; the finding names what is missing."""
    loops = LoopDetector(times=3)
    root = RedirectResource(leaf(), ALL, loops=loops, wall_clock=lambda: 5.0)
    fields = [(b"X-Forwarded-Proto", b"https"), (b"X-Forwarded-For", b"198.51.100.7")]
    answers = [ask(root, b"/", fields=fields).endswith(b"content") for _ in range(5)]
    assert answers == [False, False, True, True, True]
    (finding,) = loop_findings(loops.rows(5.0), {})
    assert 'Add "192.168.1.1" to the trusted_peers' in finding.message


def test_they_are_resources() -> None:
    """Both provide what twisted.web asks of a resource."""
    assert verifyObject(IResource, RedirectResource(leaf(), ALL))
    assert verifyObject(IResource, HSTSResource(leaf(), HSTS()))
