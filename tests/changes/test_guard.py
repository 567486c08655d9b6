"""
What is refused because people could no longer get in, and what overrides that.
"""

from __future__ import annotations

from typing import Any

import pytest

from tlsgate.problems import Problem

DAY = 86400.0


def code(lab: Any, edit: Any, *force: str) -> str:
    """
    The code with which a change is refused; empty if it is not.
    """
    try:
        lab.apply(edit, force=frozenset(force))
    except Problem as problem:
        assert problem.status == 409
        return problem.code
    return ""


@pytest.mark.parametrize("mode", ["browsers", "all"])
def test_no_redirect_to_an_uncovered_name(lab: Any, mode: str) -> None:
    """
    A redirect needs a certificate that covers each name of the site, unless the site is forced.
    """
    edit = lab.site(hosts=["localhost", "shop.test"], redirect={"mode": mode})
    assert code(lab, edit) == "no-valid-certificate"
    assert code(lab, edit, "other") == "no-valid-certificate"
    assert code(lab, edit, "default") == ""


def test_report_mode_is_never_refused(lab: Any) -> None:
    """
    Counting redirects leads nobody anywhere.
    """
    assert code(lab, lab.site(hosts=["shop.test"], redirect={"mode": "report"})) == ""


@pytest.mark.parametrize(("start", "end"), [(-9, -1), (1, 9)])
def test_no_redirect_to_a_certificate_outside_its_dates(lab: Any, start: float, end: float) -> None:
    """
    For other names the binding's default certificate counts, and it must be within its dates.
    """
    lab.apply(lab.certify("default", start=lab.wall + start * DAY, end=lab.wall + end * DAY))
    assert code(lab, lab.site(redirect={"mode": "all"})) == "no-valid-certificate"
    assert code(lab, lab.site(redirect={"mode": "all"}), "default") == ""


def test_trust_is_not_required_for_a_redirect(lab: Any) -> None:
    """
    A self-signed certificate is a warning.
    """
    lab.trusts = False
    outcome = lab.apply(lab.site(redirect={"mode": "all"}))
    assert "redirect-untrusted-certificate" in {finding.code for finding in outcome.findings}


@pytest.mark.parametrize("names", [("shop.test",), ("*.test",)])
def test_any_stored_certificate_covers(lab: Any, names: tuple[str, ...]) -> None:
    """
    A name may be covered by any stored certificate, also by a wildcard.
    """
    lab.apply(lab.certify("shop", *names))
    assert code(lab, lab.site(hosts=["shop.test"], redirect={"mode": "all"})) == ""


def test_a_wildcard_site_needs_the_wildcard(lab: Any) -> None:
    """
    A site of *.example.com is covered by the same wildcard only.
    """
    edit = lab.site(hosts=["*.example.com"], redirect={"mode": "all"})
    lab.apply(lab.certify("one", "www.example.com"))
    assert code(lab, edit) == "no-valid-certificate"
    lab.apply(lab.certify("all", "*.example.com"))
    assert code(lab, edit) == ""


def test_a_new_name_of_a_redirecting_site_needs_a_certificate(lab: Any) -> None:
    """
    A name that joins a redirecting site is refused as enabling would be.
    """
    lab.apply(lab.site(hosts=["localhost"], redirect={"mode": "all"}))
    assert code(lab, lab.site(hosts=["localhost", "shop.test"])) == "no-valid-certificate"


@pytest.mark.parametrize("insist", [{"redirect": {"mode": "all"}}, {"hsts": {"enabled": True}}])
def test_the_last_valid_certificate_stays(lab: Any, insist: Any) -> None:
    """
    A certificate on which a redirecting or HSTS site depends is neither removed nor replaced by one that does not
    serve, unless it is forced.
    """
    lab.apply(lab.certify("shop", "shop.test"))
    lab.apply(lab.site(hosts=["shop.test"], **insist))

    def remove(draft: Any) -> None:
        del draft.certificates["shop"]

    for edit in (
        remove,
        lab.certify("shop", "other.test"),
        lab.certify("shop", "shop.test", end=lab.wall - 1),
    ):
        assert code(lab, edit) == "would-lock-out"
    assert code(lab, lab.certify("shop", "shop.test", key="renewed")) == ""
    assert code(lab, remove, "shop") == ""


def test_a_binding_s_certificate_is_in_use(lab: Any) -> None:
    """
    A certificate that a binding names is not removed, and nothing overrides that.
    """

    def remove(draft: Any) -> None:
        del draft.certificates["default"]

    assert code(lab, remove, "default", "https") == "in-use"


@pytest.mark.parametrize("insist", [{"redirect": {"mode": "all"}}, {"hsts": {"enabled": True}}])
def test_the_last_https_binding_stays(lab: Any, insist: Any) -> None:
    """
    While a site needs HTTPS, the last https binding is not removed unless forced.
    """
    lab.apply(lab.site(**insist))

    def remove(draft: Any) -> None:
        del draft.document["binding"][1]

    assert code(lab, remove) == "would-lock-out"
    assert code(lab, remove, "https") == ""


def test_what_was_wrong_before_is_not_held_against_a_change(lab: Any) -> None:
    """
    After a certificate has expired, other changes go on, and so does its replacement by another expired one.
    """
    lab.apply(lab.site(redirect={"mode": "all"}))
    lab.wall += 365 * DAY
    assert code(lab, lab.site(redirect={"mode": "all"}, max_body=5)) == ""
    assert code(lab, lab.certify("default", end=lab.wall - 1)) == ""


def test_hsts_keeps_its_trust(lab: Any) -> None:
    """
    Under HSTS a trusted certificate is not replaced by one that browsers do not trust, unless forced.
    """
    lab.apply(lab.site(hsts={"enabled": True}))
    lab.trusts_only = lab.changes.current.certificates["default"].certificate
    edit = lab.certify("default", key="other")
    assert code(lab, edit) == "would-lock-out"
    assert code(lab, edit, "default") == ""


def test_findings_of_hsts(lab: Any) -> None:
    """
    Enabling HSTS tells of an untrusted certificate, an odd port and a long max-age, and none of them when all is well.
    """
    lab.trusts = False
    outcome = lab.apply(lab.site(hsts={"enabled": True, "max_age": 31556926}))
    expected = {"hsts-untrusted-certificate", "hsts-nonstandard-port", "hsts-long-without-ramp"}
    assert {finding.code for finding in outcome.findings} == expected
    assert {finding["code"] for finding in outcome.made.findings} == expected
    lab.trusts = True

    def well(draft: Any) -> None:
        lab.usual_ports(draft)
        lab.site(hsts={"enabled": True, "max_age": 31556926, "ramp": True})(draft)

    assert lab.apply(well).findings == ()


def test_findings_of_names(lab: Any) -> None:
    """
    A name that no certificate covers is told with its place in the document.
    """
    (finding,) = lab.apply(lab.site(hosts=["localhost", "shop.test"])).findings
    assert (finding.code, finding.pointer) == ("name-not-covered", "/site/0/hosts/1")
