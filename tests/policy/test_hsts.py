"""
The value of Strict-Transport-Security.
"""

from __future__ import annotations

from tlsgate.policy import hsts_value
from tlsgate.sites import HSTS


def test_value() -> None:
    """It says what is set, takes back what was, and is empty if nothing ever was."""
    assert hsts_value(HSTS(enabled=True, max_age=9, include_subdomains=True), 0) == b"max-age=9; includeSubDomains"
    assert hsts_value(HSTS(off_until=10), 9) == b"max-age=0"
    assert hsts_value(HSTS(off_until=10), 10) == b""
