"""
What makes connections interchangeable.
"""

from __future__ import annotations

import attrs
from _upstream_bench import UpstreamBench

from tlsgate.upstream._key import PoolKey


def test_equal_keys(bench: UpstreamBench) -> None:
    """
    A pool is for all that makes connections interchangeable, and shows no key.
    """
    upstream = bench.pool().upstream
    key = PoolKey.of(upstream, upstream.servers[0])
    assert key == PoolKey.of(attrs.evolve(upstream, queue=1), upstream.servers[0])
    assert key != PoolKey.of(attrs.evolve(upstream, proxy_protocol=1), upstream.servers[0])
    assert "secret" not in repr(PoolKey.of(attrs.evolve(upstream, client_certificate=b"secret"), upstream.servers[0]))
