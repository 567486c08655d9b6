"""
What the admin API tells by itself.
"""

import json

from tlsgate.counters import DURATION_BUCKETS


def test_traffic(gate) -> None:
    """
    Once a second whoever listens is told how much goes on: requests, errors, times and TLS versions, added up.
    """
    channel, wire = gate.connect("unix")
    channel.dataReceived(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    gate.clock.advance(0)
    counters = gate.plane.counters
    counters.observe("default", b"GET", 200, 0.004)
    counters.observe("other", b"POST", 404, 0.2)
    counters.observe("default", b"GET", 502, 9.0)
    counters.handshakes["TLSv1.3", "ok"] += 2
    counters.handshakes["", "failed"] += 1
    gate.clock.advance(1.0)
    [told] = [part for part in wire.value().decode().split("\n\n") if "event: traffic" in part]
    traffic = json.loads(told.split("data: ")[1].split("\r\n")[0])
    assert traffic["requests"] == 3
    assert (traffic["client_errors"], traffic["server_errors"]) == (1, 1)
    assert traffic["tls_versions"] == {"TLSv1.3": 2}
    assert sum(traffic["durations"]) == 3
    assert len(traffic["durations"]) == len(DURATION_BUCKETS) + 1
    assert traffic["duration_bounds"] == list(DURATION_BUCKETS)
