"""
All certificates of a snapshot.
"""

from __future__ import annotations

import pytest

from tlsgate.certificates import Inventory, Roots, reached_threshold, self_signed, used_by
from tlsgate.sites import Binding, Scheme, Site, Snapshot

NOW = 1_800_000_000.0
DAY = 86400.0


@pytest.fixture(scope="module")
def snapshot():
    made = [
        self_signed("default", ["localhost"], now=NOW),
        self_signed("shop", ["*.shop.test"], days=10, now=NOW),
        self_signed("old", ["old.test"], days=5, now=NOW - 100 * DAY),
    ]
    return Snapshot(
        generation=1,
        bindings=(Binding(name="https", scheme=Scheme.HTTPS, endpoint="tcp:0", default_certificate="default"),),
        sites=(Site(name="shop", hosts=("www.shop.test", "*"), upstream="app"),),
        certificates={one.name: one for one in made},
    )


def test_rows(snapshot) -> None:
    """
    Each certificate has a row with its state and its users, and those that end are sorted by urgency.
    """
    inventory = Inventory.of(snapshot, now=NOW, sources={"shop": "acme"}, roots=Roots(()))
    rows = [(row.name, row.state, row.used_by, row.source) for row in inventory.rows]
    assert rows == [
        ("default", "valid", ("binding https",), "upload"),
        ("old", "expired", (), "upload"),
        ("shop", "expiring", ("site shop",), "acme"),
    ]
    assert [row.name for row in inventory.ending()] == ["old", "shop"]


def test_a_wildcard_host_is_used_by_its_site(snapshot) -> None:
    """
    A site for a wildcard uses the certificate with the same wildcard.
    """
    site = Site(name="all", hosts=("*.shop.test",), upstream="app")
    users = used_by(snapshot.certificates["shop"], Snapshot(generation=1, sites=(site,)))
    assert users == ("site all",)


@pytest.mark.parametrize(
    ("left", "threshold"), [(31, None), (30, 30), (14.5, 30), (14, 14), (6, 7), (0.5, 1), (0, 0), (-9, 0)]
)
def test_thresholds(left, threshold) -> None:
    """
    A certificate passes 30, 14, 7 and 1 days before its end, and its end.
    """
    made = self_signed("x", ["a.test"], days=100, now=NOW)
    assert reached_threshold(made, made.not_after - left * DAY) == threshold
