"""
What the traffic says about the settings.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import attrs

from tlsgate.admin._traffic_findings import traffic_findings
from tlsgate.counters import Counters
from tlsgate.interfaces import WorkerReport
from tlsgate.policy import LoopDetector, PlainHTTPReport
from tlsgate.sites import Credentials, Site

SITES = (Site(name="other", hosts=("o.test",), upstream="app"), Site(name="app", hosts=("*",), upstream="app"))


def worker(*, offload: int = 0, credentials: int = 0, rows: Any = ()) -> WorkerReport:
    counters = Counters()
    if offload:
        for what in ("location", "cookie", "hsts"):
            counters.offload["app", what] = offload
    if credentials:
        counters.plaintext_credentials["app"] = credentials
    return WorkerReport(pid=1, generation=1, counters=counters, plain_http=rows)


def found(reports: list[WorkerReport], sites: tuple[Site, ...] = SITES) -> dict[str, tuple[str, str]]:
    return {finding.code: (finding.message, finding.pointer) for finding in traffic_findings(reports, sites)}


def test_nothing_to_say() -> None:
    """
    Traffic without faults makes no finding.
    """
    assert found([worker(), worker()]) == {}


def test_offload_names_the_switch() -> None:
    """
    What an upstream gets wrong is added up over workers, with the switch that fixes it; once it is on, only HSTS is told.
    """
    told = found([worker(offload=2), worker(offload=1)])
    assert told.keys() == {"offload-location", "offload-cookie", "offload-hsts"}
    assert "seen 3 times" in told["offload-cookie"][0]
    assert told["offload-location"][1] == "/site/1/tls_offload_fixes"
    assert told["offload-hsts"][1] == "/site/1/hsts/enabled"
    fixed = (SITES[0], attrs.evolve(SITES[1], tls_offload_fixes=True))
    assert found([worker(offload=2)], fixed).keys() == {"offload-hsts"}


def test_credentials_by_fingerprint() -> None:
    """
    Credentials in clear are told with their fingerprints, and what to do about them by the site's setting.
    """
    report = PlainHTTPReport()
    report.note("app", "192.0.2.1", b"curl/8", b"GET", b"/", 1.0, kind="authorization", fingerprint="abc123")
    reports = [worker(credentials=4, rows=report.rows())]
    message, pointer = found(reports)["plaintext-credentials"]
    assert "4 requests" in message
    assert "fingerprint abc123" in message
    assert pointer == "/site/1/plaintext_credentials"
    refusing = (attrs.evolve(SITES[1], plaintext_credentials=Credentials.REFUSE),)
    assert "replace them" in found(reports, refusing)["plaintext-credentials"][0]
    allowing = (attrs.evolve(SITES[1], plaintext_credentials=Credentials.ALLOW),)
    assert found(reports, allowing) == {}


def test_loop_of_any_worker() -> None:
    """
    A loop that one worker has found is told once, with the setting that ends it.
    """
    loops = LoopDetector(times=1)
    loops.note("app", "10.0.0.9", b"", b"/", 1.0, claimed=True)
    reports = [worker(rows=loops.rows(1.0)), worker(rows=loops.rows(1.0)), worker()]
    (finding,) = traffic_findings(reports, SITES)
    assert (finding.code, finding.pointer) == ("redirect-loop", "/site/1/trusted_peers")
    trusting = (SITES[0], attrs.evolve(SITES[1], trusted_peers=(ip_network("10.0.0.0/24"),)))
    assert traffic_findings(reports, trusting) == []
