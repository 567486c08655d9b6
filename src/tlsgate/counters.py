"""
What is counted, in the form that is cheapest to count and simplest to add up.

Each worker owns one L{Counters}; the supervisor adds the workers' up for C{/metrics}, C{/api/v1/status} and the
events.  On the hot path a count is one dictionary operation; names and label values are bounded because sites,
bindings, methods and reasons are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Final

__all__ = ["DURATION_BUCKETS", "KNOWN_METHODS", "Counters"]

#: Upper bounds of the request duration histogram, seconds.
DURATION_BUCKETS: Final = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)

#: Methods that get a label value of their own; all others count as C{other}.
KNOWN_METHODS: Final = frozenset(
    {b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH", b"CONNECT", b"PROPFIND"}
)


class Counters:
    """
    Monotonic counts and present gauges of one worker; plain dictionaries, so that it pickles and merges.

    @ivar requests: (site, method, status) to count; site is C{"-"} for an unknown host.
    @ivar durations: site to counts per bucket of L{DURATION_BUCKETS}, one more for the rest.
    @ivar duration_sums: site to seconds.
    @ivar bytes_in: site to bytes of request content.
    @ivar bytes_out: site to bytes of response content.
    @ivar connections: binding to connections now open.
    @ivar connections_accepted: binding to connections accepted.
    @ivar handshakes: (TLS version, C{"ok"} or C{"failed"}) to count.
    @ivar handshakes_resumed: count.
    @ivar handshake_failures: reason to count.
    @ivar redirects: (site, mode) to count.
    @ivar plaintext_credentials: site to count.
    @ivar offload: (site, what) to count: responses that would need C{tls_offload_fixes}.
    @ivar upstream_connections: (upstream, server, state) to connections now in that state.
    @ivar upstream_up: (upstream, server) to 1 or 0.
    @ivar upstream_failures: (upstream, server, code) to count.
    @ivar refused: reason to count: limits, timeouts and malformed requests.
    @ivar log_dropped: access log lines that could not be written.
    """

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self.durations: dict[str, list[int]] = {}
        self.duration_sums: dict[str, float] = defaultdict(float)
        self.bytes_in: dict[str, int] = defaultdict(int)
        self.bytes_out: dict[str, int] = defaultdict(int)
        self.connections: dict[str, int] = defaultdict(int)
        self.connections_accepted: dict[str, int] = defaultdict(int)
        self.handshakes: dict[tuple[str, str], int] = defaultdict(int)
        self.handshakes_resumed = 0
        self.handshake_failures: dict[str, int] = defaultdict(int)
        self.redirects: dict[tuple[str, str], int] = defaultdict(int)
        self.plaintext_credentials: dict[str, int] = defaultdict(int)
        self.offload: dict[tuple[str, str], int] = defaultdict(int)
        self.upstream_connections: dict[tuple[str, str, str], int] = defaultdict(int)
        self.upstream_up: dict[tuple[str, str], int] = {}
        self.upstream_failures: dict[tuple[str, str, str], int] = defaultdict(int)
        self.refused: dict[str, int] = defaultdict(int)
        self.log_dropped = 0

    def observe(self, site: str, method: bytes, status: int, seconds: float) -> None:
        """
        Count one finished exchange.
        """
        label = method.decode("ascii") if method in KNOWN_METHODS else "other"
        self.requests[site, label, status] += 1
        buckets = self.durations.get(site)
        if buckets is None:
            buckets = self.durations[site] = [0] * (len(DURATION_BUCKETS) + 1)
        buckets[bisect_left(DURATION_BUCKETS, seconds)] += 1
        self.duration_sums[site] += seconds

    def add(self, other: Counters) -> None:
        """
        Add another worker's counts to these.  C{upstream_up} takes the lower: a server is up when all workers
        think so.
        """
        for name, theirs in vars(other).items():
            mine = getattr(self, name)
            if isinstance(theirs, int):
                setattr(self, name, mine + theirs)
            elif name == "durations":
                for site, buckets in theirs.items():
                    old = mine.get(site)
                    mine[site] = list(buckets) if old is None else [a + b for a, b in zip(old, buckets, strict=True)]
            elif name == "upstream_up":
                for key, up in theirs.items():
                    mine[key] = min(mine.get(key, 1), up)
            else:
                for key, count in theirs.items():
                    mine[key] += count
