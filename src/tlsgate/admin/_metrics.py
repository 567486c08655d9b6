"""
What the workers counted, as Prometheus reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import attrs
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from ..counters import DURATION_BUCKETS, Counters
from ..interfaces import WorkerReport
from ..sites import ServerCertificate
from ._control import LastChange

#: The values of a sample's labels.
Labels = TypeVar("Labels", bound=tuple[str, ...])

__all__ = ["CONTENT_TYPE_LATEST", "Measured", "certificate_exposition", "exposition", "total_of"]


@attrs.frozen(kw_only=True)
class Measured:
    """
    What an answer of C{/metrics} tells beside the list of certificates.

    @ivar served: when the certificates end that clients are shown, Unix time by binding and certificate.
    @ivar broken_files: names of certificates whose files cannot be used now.
    """

    reports: Sequence[WorkerReport]
    generation: int
    last_change: LastChange
    orders: Mapping[str, int]
    renewals: Mapping[str, int]
    served: Mapping[tuple[str, str], float]
    broken_files: Collection[str]


def total_of(reports: Sequence[WorkerReport]) -> Counters:
    """
    The counts of all workers together.
    """
    total = Counters()
    for report in reports:
        total.add(report.counters)
    return total


def exposition(measured: Measured) -> bytes:
    """
    The text that Prometheus scrapes, but for L{certificate_exposition}.
    """
    counters = total_of(measured.reports)
    return _text(
        lambda: (
            *_traffic(counters),
            *_handshakes(counters),
            *_upstreams(counters),
            *_certificates(measured),
            *_gate(measured, counters),
        )
    )


def certificate_exposition(certificates: Mapping[str, ServerCertificate]) -> bytes:
    """
    What is said of every certificate; may be called in a thread.
    """
    family = _gauge(
        "certificate_not_after_timestamp_seconds",
        "When the certificate ends.",
        ["name"],
        {(name,): certificate.not_after for name, certificate in certificates.items()},
    )
    return _text(lambda: (family,))


def _text(families: Callable[[], Iterable[Metric]]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterable[Metric]:
        return self._families()


def _counter(name: str, text: str, labels: Sequence[str], samples: Mapping[Labels, float]) -> Metric:
    family = CounterMetricFamily(f"tlsgate_{name}", text, labels=labels)
    for values, count in samples.items():
        family.add_metric(values, count)
    return family


def _gauge(name: str, text: str, labels: Sequence[str], samples: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(f"tlsgate_{name}", text, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family


def _one(samples: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(label,): value for label, value in samples.items()}


def _traffic(counters: Counters) -> Iterator[Metric]:
    yield _counter(
        "http_requests",
        "Finished exchanges.",
        ["site", "method", "code"],
        {(site, method, str(code)): count for (site, method, code), count in counters.requests.items()},
    )
    durations = HistogramMetricFamily(
        "tlsgate_http_request_duration_seconds", "From the head of the request to the end.", labels=["site"]
    )
    for site, counts in counters.durations.items():
        running = 0
        buckets = []
        for bound, count in zip([*map(str, DURATION_BUCKETS), "+Inf"], counts, strict=True):
            running += count
            buckets.append((bound, float(running)))
        durations.add_metric([site], buckets, counters.duration_sums.get(site, 0.0))
    yield durations
    yield _counter("request_bytes", "Bytes of request content.", ["site"], _one(counters.bytes_in))
    yield _counter("response_bytes", "Bytes of response content.", ["site"], _one(counters.bytes_out))
    yield _gauge("connections", "Client connections now open.", ["binding"], _one(counters.connections))
    yield _counter(
        "connections_accepted", "Client connections accepted.", ["binding"], _one(counters.connections_accepted)
    )
    yield _counter("redirects", "Requests redirected to HTTPS, or that would be.", ["site", "mode"], counters.redirects)
    yield _counter(
        "plaintext_credentials",
        "Requests with credentials over plain HTTP.",
        ["site"],
        _one(counters.plaintext_credentials),
    )
    yield _counter("requests_refused", "Refused by limits, deadlines or grammar.", ["reason"], _one(counters.refused))


def _handshakes(counters: Counters) -> Iterator[Metric]:
    yield _counter("tls_handshakes", "TLS handshakes.", ["version", "result"], counters.handshakes)
    yield _counter("tls_handshake_failures", "Failed handshakes.", ["reason"], _one(counters.handshake_failures))
    yield _counter(
        "tls_handshakes_resumed", "Handshakes that resumed a session.", [], {(): counters.handshakes_resumed}
    )


def _upstreams(counters: Counters) -> Iterator[Metric]:
    yield _gauge(
        "upstream_up", "1 if all workers think that the server is up.", ["upstream", "server"], counters.upstream_up
    )
    yield _gauge(
        "upstream_connections",
        "Connections to upstream servers.",
        ["upstream", "server", "state"],
        counters.upstream_connections,
    )
    yield _counter(
        "upstream_failures",
        "Exchanges that an upstream failed.",
        ["upstream", "server", "code"],
        counters.upstream_failures,
    )


def _certificates(measured: Measured) -> Iterator[Metric]:
    yield _gauge(
        "certificate_served_not_after_timestamp_seconds",
        "When the certificate that a binding was seen to serve ends.",
        ["binding", "name"],
        measured.served,
    )
    yield _gauge(
        "certificate_files_broken",
        "1 for a certificate whose files cannot be used now; the last good one goes on.",
        ["name"],
        {(name,): 1.0 for name in measured.broken_files},
    )


def _gate(measured: Measured, counters: Counters) -> Iterator[Metric]:
    last = measured.last_change
    yield _gauge("generation", "The generation that is current.", [], {(): measured.generation})
    yield _gauge(
        "config_last_reload_successful", "1 if the latest change was served.", [], {(): float(last.successful)}
    )
    yield _gauge(
        "config_last_reload_success_timestamp_seconds",
        "When a change was last served.",
        [],
        {(): last.succeeded_at},
    )
    yield _gauge("workers", "Workers that report.", [], {(): len(measured.reports)})
    yield _gauge(
        "worker_generation",
        "The generation that a worker serves.",
        ["worker"],
        {(str(index),): report.generation for index, report in enumerate(measured.reports)},
    )
    yield _gauge(
        "worker_memory_bytes",
        "Resident memory of a worker.",
        ["worker"],
        {(str(index),): report.memory for index, report in enumerate(measured.reports)},
    )
    yield _counter("acme_orders", "ACME orders that ended.", ["result"], _one(measured.orders))
    yield _gauge(
        "acme_renewal_failures",
        "Renewals of a certificate that failed since one succeeded; 0 while all is well.",
        ["name"],
        _one(measured.renewals),
    )
    yield _counter("access_log_dropped", "Access log lines that could not be written.", [], {(): counters.log_dropped})
