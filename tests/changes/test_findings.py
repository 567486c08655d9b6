"""
What is worth saying about redirect and HSTS.
"""

from __future__ import annotations

from typing import Any


def codes(lab: Any, **site: Any) -> dict[str, str]:
    outcome = lab.apply(lab.site(**site), dry_run=True)
    return {finding.code: finding.message for finding in outcome.findings}


def test_hsts_behind_other_ports_and_without_trust(lab: Any) -> None:
    """
    HSTS over an untrusted certificate, at a port that browsers do not guess, or at once for long, is warned of.
    """
    lab.trusts = False
    found = codes(lab, hsts={"enabled": True, "max_age": 31556926})
    assert {"hsts-untrusted-certificate", "hsts-nonstandard-port", "hsts-long-without-ramp"} <= found.keys()
    lab.trusts = True
    assert codes(lab, hsts={"enabled": True, "max_age": 31556926, "ramp": True}).keys() == {"hsts-nonstandard-port"}


def test_plain_http_at_another_port(lab: Any) -> None:
    """
    With HTTPS at 443 it is still warned of plain HTTP at a port that browsers would ask for https.
    """

    def edit(draft: Any) -> None:
        draft.document["binding"][1]["public_port"] = 443
        lab.site(hsts={"enabled": True})(draft)

    (finding,) = lab.apply(edit, dry_run=True).findings
    assert finding.code == "hsts-nonstandard-port"
    assert "port 8080 speaks plain HTTP" in finding.message


def test_preload_names_what_is_missing(lab: Any) -> None:
    """
    Preload without all conditions of the lists is a warning that names each.
    """
    found = codes(lab, hsts={"enabled": True, "max_age": 31536000, "include_subdomains": True, "preload": True})
    assert "not redirected" in found["hsts-preload-incomplete"]
    assert "8443, not 443" in found["hsts-preload-incomplete"]
