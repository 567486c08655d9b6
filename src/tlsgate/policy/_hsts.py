"""
HTTP Strict Transport Security (RFC 6797).
"""

from __future__ import annotations

from ..sites import HSTS

__all__ = ["hsts_value"]


def hsts_value(hsts: HSTS, now: float) -> bytes:
    """
    The value to send on every HTTPS response of a site; empty for none.

    @param now: Unix time.
    """
    if not hsts.enabled:
        # RFC 6797 section 6.1.1: 0 makes the browser forget.
        return b"max-age=0" if now < hsts.off_until else b""
    value = b"max-age=%d" % hsts.max_age
    if hsts.include_subdomains:
        value += b"; includeSubDomains"
    if hsts.preload:
        value += b"; preload"
    return value
