"""
What the traffic itself says about the settings: loops, credentials in clear, upstreams that do not know of their TLS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ..interfaces import WorkerReport
from ..policy import is_trusted, loop_findings
from ..problems import Finding, Severity
from ..sites import Credentials, Site
from ._metrics import total_of
from ._plain_http_feed import merged_rows

__all__ = ["traffic_findings"]

#: Fingerprints that a finding names at most.
_NAMED: Final = 3

#: What an upstream gets wrong behind TLS, and what C{tls_offload_fixes} does about it.
_OFFLOAD: Final = {
    "location": ("sends Location: http:// for its own host", "rewrites it to https"),
    "cookie": ("sets cookies without Secure", "adds it"),
}


def traffic_findings(reports: Iterable[WorkerReport], sites: Sequence[Site]) -> list[Finding]:
    """
    Each finding with the setting that ends it, of all workers together.

    @param sites: in the order of the settings document.
    """
    reports = tuple(reports)
    rows: list[Mapping[str, Any]] = [row for report in reports for row in report.plain_http]
    total = total_of(reports)
    pointers = {site.name: f"/site/{index}" for index, site in enumerate(sites)}
    named = {site.name: site.trusted_peers for site in sites}
    # The setting that a loop asks for may have come since.
    looping = [
        row
        for row in rows
        if row["kind"] == "loop" and (row["trusted"] or not is_trusted(row["peer"], named.get(row["site"], ())))
    ]
    found = loop_findings(looping, pointers)
    for site in sites:
        pointer = pointers[site.name]
        count = total.plaintext_credentials.get(site.name, 0)
        if count and site.plaintext_credentials is not Credentials.ALLOW:
            found.append(_credentials(site, count, merged_rows(reports), pointer))
        for what in ("location", "cookie", "hsts"):
            times = total.offload.get((site.name, what), 0)
            if times and (what == "hsts" or not site.tls_offload_fixes):
                found.append(_offload(site, what, times, pointer))
    return found


def _credentials(site: Site, count: int, rows: Iterable[Mapping[str, Any]], pointer: str) -> Finding:
    refused = site.plaintext_credentials is Credentials.REFUSE
    seen = sorted({row["fingerprint"] for row in rows if row["site"] == site.name and row["fingerprint"]})
    named = f" (fingerprint{'s' if len(seen) > 1 else ''} {', '.join(seen[:_NAMED])})" if seen else ""
    remedy = (
        "They were refused, but have crossed the network: replace them."
        if refused
        else 'plaintext_credentials = "refuse" answers them with 403; the redirect report names who sends them.'
    )
    return Finding(
        "plaintext-credentials",
        Severity.WARNING,
        f"{count} requests to site {site.name} carried credentials over plain HTTP{named}. {remedy}",
        f"{pointer}/plaintext_credentials",
    )


def _offload(site: Site, what: str, times: int, pointer: str) -> Finding:
    if what == "hsts":
        return Finding(
            "offload-hsts",
            Severity.INFO,
            f"The upstream of site {site.name} sends Strict-Transport-Security itself (seen {times} times), which the gate "
            "drops: hsts.enabled sends the gate's own instead.",
            f"{pointer}/hsts/enabled",
        )
    wrong, remedy = _OFFLOAD[what]
    return Finding(
        f"offload-{what}",
        Severity.WARNING,
        f"The upstream of site {site.name} {wrong} (seen {times} times): tls_offload_fixes = true {remedy}.",
        f"{pointer}/tls_offload_fixes",
    )
