"""
Who would miss a certificate.
"""

from __future__ import annotations

import pytest

from tlsgate.certificates import Users, self_signed
from tlsgate.sites import Binding, Scheme, Site, Snapshot

NOW = 1_800_000_000.0

SNAPSHOT = Snapshot(
    generation=1,
    bindings=(Binding(name="https", scheme=Scheme.HTTPS, endpoint="tcp:0", default_certificate="default"),),
    sites=(
        Site(name="shop", hosts=("www.shop.test", "*"), upstream="app"),
        Site(name="all", hosts=("*.shop.test", "192.0.2.1"), upstream="app"),
    ),
)


@pytest.mark.parametrize(
    ("name", "names", "users"),
    [
        ("default", ["localhost"], ("binding https",)),
        ("exact", ["www.shop.test"], ("site shop",)),
        ("wildcard", ["*.shop.test"], ("site shop", "site all")),
        ("both", ["www.shop.test", "*.shop.test"], ("site shop", "site all")),
        ("address", ["192.0.2.1"], ("site all",)),
        ("above", ["shop.test", "*.test"], ()),
        ("below", ["*.www.shop.test"], ()),
    ],
)
def test_users(name: str, names: list[str], users: tuple[str, ...]) -> None:
    """
    A binding misses its default certificate, a site one that covers a host of it; a wildcard host is covered by the same
    wildcard only, and "*" by none.
    """
    assert Users.of(SNAPSHOT).of_certificate(self_signed(name, names, now=NOW)) == users
