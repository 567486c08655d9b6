"""
What Prometheus gets.
"""

import re

from prometheus_client.parser import text_string_to_metric_families

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


def test_as_prometheus_wants_them(gate) -> None:
    """
    What promtool checks: each family has help and a type, counters and only they end in _total, units are base units,
    buckets ascend to infinity, and no series comes twice.
    """
    for site in ("default", "-"):
        gate.plane.counters.observe(site, b"GET", 200, 0.02)
    gate.plane.counters.refused["head_timeout"] += 1
    gate.plane.counters.handshakes["TLSv1.3", "ok"] += 1
    text = gate.call("GET", "/metrics", peer="127.0.0.1", token=None).body.decode()
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)) > 20
    for family in families:
        assert re.fullmatch(r"tlsgate(_[a-z]+)+", family.name), family.name
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        assert not re.search(
            r"_(ms|milliseconds|minutes|hours|days|kilobytes|kb|mb|percent|total|count|sum|bucket|info)$", family.name
        )
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
            assert all(re.fullmatch(r"[a-z]+", label) for label in sample.labels), sample
        series = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
        assert len(series) == len(set(series)), family.name
    (durations,) = (family for family in families if family.type == "histogram")
    bounds = [
        (float(sample.labels["le"]), sample.value)
        for sample in durations.samples
        if sample.name.endswith("_bucket") and sample.labels["site"] == "-"
    ]
    assert bounds == sorted(bounds)
    assert (bounds[0][0], bounds[-1][0]) == (0.001, float("inf"))
    assert sorted(count for _, count in bounds) == [count for _, count in bounds]
