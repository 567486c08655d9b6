"""
HTTP Strict Transport Security (RFC 6797).
"""

from __future__ import annotations

from typing import Final

from ..sites import HSTS

__all__ = ["PRELOAD_MAX_AGE", "hsts_value"]

#: hstspreload.org refuses less, seconds.
PRELOAD_MAX_AGE: Final = 31536000


def hsts_value(hsts: HSTS, now: float) -> bytes:
    """
    The value to send on every HTTPS response of a site; empty for none.  C{preload} stays away until its conditions hold:
    a ramp that has not reached a year must not consent to what takes months to leave.

    @param now: Unix time.
    """
    if not hsts.enabled:
        # RFC 6797 section 6.1.1: 0 makes the browser forget.
        return b"max-age=0" if now < hsts.off_until else b""
    value = b"max-age=%d" % hsts.max_age
    if hsts.include_subdomains:
        value += b"; includeSubDomains"
    if hsts.preload and hsts.include_subdomains and hsts.max_age >= PRELOAD_MAX_AGE:
        value += b"; preload"
    return value
