"""
What Prometheus gets.
"""

import re

NAMES = [
    "tlsgate_http_requests_total",
    "tlsgate_http_request_duration_seconds",
    "tlsgate_connections",
    "tlsgate_tls_handshakes_total",
    "tlsgate_tls_handshake_failures_total",
    "tlsgate_certificate_not_after_timestamp_seconds",
    "tlsgate_certificate_served_not_after_timestamp_seconds",
    "tlsgate_generation",
    "tlsgate_config_last_reload_successful",
    "tlsgate_config_last_reload_success_timestamp_seconds",
    "tlsgate_workers",
    "tlsgate_upstream_up",
    "tlsgate_upstream_connections",
    "tlsgate_redirects_total",
    "tlsgate_plaintext_credentials_total",
    "tlsgate_acme_orders_total",
]


def test_all_names(gate) -> None:
    """
    Every metric of the contract is there, and counts are what the workers counted.
    """
    gate.plane.counters.observe("default", b"GET", 200, 0.02)
    gate.plane.counters.observe("-", b"BREW", 404, 1000.0)
    text = gate.call("GET", "/metrics", peer="127.0.0.1", token=None).body.decode()
    for name in NAMES:
        assert re.search(rf"^(# TYPE )?{name.removesuffix('_total')}", text, re.MULTILINE), name
    assert 'tlsgate_http_requests_total{code="200",method="GET",site="default"} 1.0' in text
    assert 'tlsgate_http_request_duration_seconds_bucket{le="0.025",site="default"} 1.0' in text
    assert 'tlsgate_http_request_duration_seconds_bucket{le="+Inf",site="-"} 1.0' in text
    assert 'tlsgate_certificate_served_not_after_timestamp_seconds{binding="https",name="default"}' in text
    assert "tlsgate_generation 1.0" in text
