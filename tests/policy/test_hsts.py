"""
The value of Strict-Transport-Security.
"""

from __future__ import annotations

import attrs

from tlsgate.policy import hsts_value
from tlsgate.sites import HSTS


def test_value() -> None:
    """It says what is set, takes back what was, and is empty if nothing ever was."""
    assert hsts_value(HSTS(enabled=True, max_age=9, include_subdomains=True), 0) == b"max-age=9; includeSubDomains"
    assert hsts_value(HSTS(off_until=10), 9) == b"max-age=0"
    assert hsts_value(HSTS(off_until=10), 10) == b""


def test_preload_waits_for_its_conditions() -> None:
    """The consent to preloading is sent with a year and all subdomains only, so not on the steps of a ramp."""
    year = HSTS(enabled=True, max_age=31536000, include_subdomains=True, preload=True)
    assert hsts_value(year, 0) == b"max-age=31536000; includeSubDomains; preload"
    assert b"preload" not in hsts_value(attrs.evolve(year, max_age=2592000), 0)
    assert b"preload" not in hsts_value(attrs.evolve(year, include_subdomains=False), 0)
