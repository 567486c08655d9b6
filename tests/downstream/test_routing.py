"""
Host to site.
"""

from __future__ import annotations

from typing import Any

import pytest

from tlsgate.downstream import Routes
from tlsgate.sites import HSTS, Binding, Scheme, Site, Snapshot

SITES = (
    Site(name="exact", hosts=("a.test", "::1", "192.0.2.1"), upstream="app"),
    Site(name="wild", hosts=("*.a.test",), upstream="app"),
    Site(name="other", hosts=("b.a.test",), upstream="app"),
)
REST = Site(name="rest", hosts=("*",), upstream="app")


def routes(*sites: Site, now: float = 0) -> Routes:
    """
    Routes to nowhere.
    """
    group: Any = None
    return Routes(sites, {"app": group}, https_port=443, now=now)


@pytest.mark.parametrize(
    ("host", "site"),
    [
        (b"a.test", "exact"),
        (b"[::1]", "exact"),
        (b"192.0.2.1", "exact"),
        (b"x.a.test", "wild"),
        (b"b.a.test", "other"),
        (b"x.y.a.test", "rest"),
        (b"test", "rest"),
        (b"", "rest"),
    ],
)
def test_finding(host: bytes, site: str) -> None:
    """
    Exact, then one label's wildcard, then the rest, if there is one.
    """
    found = routes(*SITES, REST).find(host)
    assert found is not None
    assert found.name == site
    without = routes(*SITES).find(host)
    assert (without and without.name) == (None if site == "rest" else site)


def test_hsts_changes_with_time() -> None:
    """
    The line is worked out again, and is the same object while it is the same.
    """
    [served] = routes(Site(name="s", hosts=("*",), upstream="app", hsts=HSTS(off_until=100.0)), now=1).sites
    line = served.hsts_line
    assert line == b"Strict-Transport-Security: max-age=0\r\n"
    served.refresh(99)
    assert served.hsts_line is line
    served.refresh(101)
    assert served.hsts_line == b""


def test_the_port_of_redirects() -> None:
    """
    The first https binding's, as clients see it.
    """
    http = Binding(name="http", scheme=Scheme.HTTP, endpoint="tcp:80")
    https = Binding(name="https", scheme=Scheme.HTTPS, endpoint="tcp:8443")
    public = Binding(name="public", scheme=Scheme.HTTPS, endpoint="tcp:1", public_port=443)
    ports = {"http": 80, "https": 8443, "public": 1}
    for bindings, port in (((http,), 0), ((http, https, public), 8443), ((public, https), 443)):
        assert Routes.of(Snapshot(generation=1, bindings=bindings), {}, ports, 0).https_port == port
