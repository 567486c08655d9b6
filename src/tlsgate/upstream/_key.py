"""
What makes connections interchangeable.
"""

from __future__ import annotations

import attrs

from ..sites import Server, Upstream

__all__ = ["PoolKey"]


@attrs.frozen(kw_only=True)
class PoolKey:
    """
    All that must match for a connection to be used by another exchange.
    """

    server: str
    server_name: str
    ca_pem: bytes = attrs.field(repr=False)
    client_certificate: bytes = attrs.field(repr=False)
    proxy_protocol: int

    @classmethod
    def of(cls, upstream: Upstream, server: Server) -> PoolKey:
        """
        The key of a server's connections.
        """
        return cls(
            server=server.url,
            server_name=upstream.server_name,
            ca_pem=upstream.ca_pem,
            client_certificate=upstream.client_certificate,
            proxy_protocol=upstream.proxy_protocol,
        )
