"""
What is left of an exchange: its counts and its line in the access log.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._exchange import Exchange

__all__ = ["record"]


def record(exchange: Exchange) -> None:
    """
    Count an exchange that is over, and log it.
    """
    channel = exchange.channel
    plane = channel.plane
    head = exchange.head
    duration = monotonic() - exchange.begun
    site = exchange.site
    label = "-" if site is None else site.name
    method = b"-" if head is None else head.method
    counters = plane.counters
    counters.observe(label, method, exchange.status, duration)
    counters.bytes_in[label] += exchange.bytes_in
    counters.bytes_out[label] += exchange.bytes_out
    log = plane.access_log
    if not log.enabled:
        return
    meaning = exchange.meaning
    pool = exchange.pool
    transport: Any = channel.transport
    secure = channel.binding.secure
    upstream_seconds = exchange.upstream_seconds
    log.append(
        exchange.request_id.decode("ascii"),
        channel.peer_ip,
        channel.peer_ip if meaning is None else meaning.client_ip,
        label,
        b"" if head is None else head.fields.get(b"host") or b"",
        method,
        b"-" if head is None else head.target,
        b"HTTP/1.1" if head is None or head.minor else b"HTTP/1.0",
        exchange.status,
        exchange.bytes_in,
        exchange.bytes_out,
        duration,
        "" if pool is None else pool.server.url,
        None if upstream_seconds < 0 else upstream_seconds,
        transport.tls_version if secure else "",
        transport.cipher if secure else "",
        transport.server_name if secure else "",
        b"" if meaning is None else meaning.user_agent,
        b"" if meaning is None else meaning.referer,
        "peer" if meaning is None else meaning.client_rule,
    )
