"""
The table of who still uses plain HTTP.
"""

from __future__ import annotations

import pickle
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.policy import PlainHTTPReport, is_browser

FIREFOX = b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def verdicts(report: PlainHTTPReport) -> list[str]:
    return [row["verdict"] for row in report.shown()]


def test_bounded_by_networks() -> None:
    """A full table puts addresses together to networks and never grows over its bound."""
    report = PlainHTTPReport(max_rows=10)
    for number in range(250):
        report.note("site", f"192.0.2.{number}", b"curl/8", b"GET", b"/a/b?secret", float(number))
    shown = [(row["address"], row["count"], row["path"]) for row in report.shown()]
    assert shown == [("192.0.2.0/24", 250, "/a")]


def test_redirected_client_that_comes_over_https_follows() -> None:
    """A redirected client that comes back over HTTPS follows, even if it was expected to break."""
    report = PlainHTTPReport()
    report.note("site", "192.0.2.1", FIREFOX, b"GET", b"/", 1.0, browser=True, redirected=True)
    report.note("site", "192.0.2.2", b"curl/8", b"POST", b"/", 2.0, redirected=True)
    report.note("site", "192.0.2.3", b"curl/8", b"POST", b"/", 3.0)
    assert verdicts(report) == ["would-break", "would-break", "browser"]
    for number in (1, 2, 3):
        report.seen_secure(f"192.0.2.{number}", FIREFOX if number == 1 else b"curl/8", 4.0)
    assert verdicts(report) == ["would-break", "follows", "follows"]


def test_https_before_the_redirect_proves_nothing() -> None:
    """Who used HTTPS before the redirect has not followed it."""
    report = PlainHTTPReport()
    report.seen_secure("192.0.2.1", b"curl/8", 1.0)
    report.note("site", "192.0.2.1", b"curl/8", b"GET", b"/", 10.0, redirected=True)
    assert verdicts(report) == ["would-break"]


def test_follows_over_workers() -> None:
    """Who was redirected by one worker and came over HTTPS to another follows."""
    one, two, merged = PlainHTTPReport(), PlainHTTPReport(), PlainHTTPReport()
    one.note("site", "192.0.2.1", b"git/2", b"GET", b"/x", 1.0, redirected=True)
    two.seen_secure("192.0.2.1", b"git/2", 2.0)
    for report in (two, one):
        merged.merge(pickle.loads(pickle.dumps(report.rows())))
    assert [(row["count"], row["verdict"]) for row in merged.shown()] == [(1, "follows")]


def test_merge_adds() -> None:
    """Merging the rows of two workers adds counts, keeps the span of time and the worse verdict."""
    one, two = PlainHTTPReport(), PlainHTTPReport()
    one.note("site", "192.0.2.1", b"git/2", b"GET", b"/x", 1.0)
    two.note("site", "192.0.2.1", b"git/2", b"GET", b"/x", 2.0, kind="authorization", fingerprint="ab")
    one.merge([*two.rows(), {"kind": "loop"}])
    (row,) = one.shown()
    assert (row["count"], row["first_seen"], row["last_seen"]) == (2, 1.0, 2.0)
    assert (row["verdict"], row["credentials"], row["fingerprint"]) == ("would-break", 1, "ab")


def test_sites_apart() -> None:
    """The same client at two sites makes two rows: each site's redirect is another decision."""
    report = PlainHTTPReport()
    for site in ("a", "b"):
        report.note(site, "192.0.2.1", b"git/2", b"GET", b"/x", 1.0)
    assert {row["site"] for row in report.shown()} == {"a", "b"}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1).map(lambda number: str(ip_address(number))),
            st.sampled_from([b"curl/8", FIREFOX, b"", b"x" * 9000, b"docker/24"]),
            st.binary(max_size=9),
            st.binary(max_size=99),
            st.booleans(),
        ),
        max_size=200,
    )
)
def test_bounded_whatever_comes(requests: list[tuple[str, bytes, bytes, bytes, bool]]) -> None:
    """No traffic makes the table larger than its bound, and what it shows is bounded too."""
    report = PlainHTTPReport(max_rows=20)
    for now, (address, agent, method, target, redirected) in enumerate(requests):
        report.note("site", address, agent, method, target, float(now), redirected=redirected)
        report.seen_secure(address, agent, float(now))
    assert len(report) <= 20
    assert len(report.rows()) <= 40
    assert all(len(row["path"]) <= 257 and len(row["user_agent"]) < 30 for row in report.shown())


#: A day at a TeamCity server: address, method, target, fields.  Who of them would be hurt by a redirect?
LOG: list[tuple[str, bytes, bytes, dict[bytes, bytes]]] = [
    ("10.0.0.1", b"GET", b"/overview.html", {b"user-agent": FIREFOX, b"accept": b"text/html"}),
    ("10.0.0.1", b"GET", b"/favicon.ico", {b"user-agent": FIREFOX, b"accept": b"image/*"}),
    ("10.0.0.2", b"GET", b"/app/rest/builds", {b"user-agent": b"curl/8.5.0", b"accept": b"*/*"}),
    ("10.0.0.3", b"POST", b"/app/agents/v1/register", {b"user-agent": b"TeamCity Agent 2026.1 (build 1)"}),
    ("10.0.0.3", b"GET", b"/update/agent.zip", {b"user-agent": b"TeamCity Agent 2026.1 (build 1)"}),
    ("10.0.0.4", b"GET", b"/app/rest/server", {b"user-agent": b"Java/21.0.4"}),
    ("10.0.0.5", b"GET", b"/repo.git/info/refs?service=x", {b"user-agent": b"git/2.47.3", b"accept": b"*/*"}),
    ("10.0.0.5", b"POST", b"/repo.git/git-upload-pack", {b"user-agent": b"git/2.47.3"}),
    ("10.0.0.6", b"GET", b"/v2/", {b"user-agent": b"docker/28.1 go/go1.23 git-commit/1 kernel/6 os/linux"}),
    ("10.0.0.7", b"GET", b"/", {b"user-agent": b"Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36"}),
]


def replay(report: PlainHTTPReport, redirect: bool, start: float) -> None:
    for number, (address, method, target, first) in enumerate(LOG):
        browser = is_browser(method, first)
        report.note(
            *("site", address, first[b"user-agent"], method, target, start + number),
            browser=browser,
            redirected=redirect,
        )


def test_replayed_log_names_the_right_clients() -> None:
    """Of a mixed log the report names whom a redirect would break, and after the redirect who has followed."""
    report = PlainHTTPReport()
    replay(report, False, 0.0)
    found: dict[str, set[Any]] = {}
    for row in report.shown():
        found.setdefault(row["verdict"], set()).add((row["address"], row["user_agent"], row["method"]))
    assert found == {
        "would-break": {
            ("10.0.0.2", "curl", "GET"),
            ("10.0.0.3", "teamcity-agent", "POST"),
            ("10.0.0.3", "teamcity-agent", "GET"),
            ("10.0.0.4", "java", "GET"),
            ("10.0.0.5", "git", "POST"),
            ("10.0.0.6", "docker", "GET"),
        },
        "browser": {("10.0.0.1", "firefox", "GET")},
        "unknown": {("10.0.0.1", "firefox", "GET"), ("10.0.0.5", "git", "GET"), ("10.0.0.7", "chrome", "GET")},
    }
    replay(report, True, 100.0)
    for address in ("10.0.0.1", "10.0.0.5"):
        agents = {first[b"user-agent"] for where, _, _, first in LOG if where == address}
        for agent in agents:
            report.seen_secure(address, agent, 200.0)
    followed = {row["address"] for row in report.shown() if row["verdict"] == "follows"}
    assert followed == {"10.0.0.1", "10.0.0.5"}
    assert {row["address"] for row in report.shown() if row["verdict"] == "would-break"} == {
        *("10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.6")
    }
