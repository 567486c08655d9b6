"""
The table of who still uses plain HTTP.
"""

from __future__ import annotations

from tlsgate.policy import PlainHTTPReport


def test_bounded_by_networks() -> None:
    """A full table puts addresses together to networks and never grows over its bound."""
    report = PlainHTTPReport(max_rows=10)
    for number in range(250):
        report.note(f"192.0.2.{number}", b"curl/8", b"GET", b"/a/b?secret", float(number))
    assert [(row["address"], row["count"], row["path"]) for row in report.rows()] == [("192.0.2.0/24", 250, "/a")]


def test_verdicts() -> None:
    """A redirected client that comes back over HTTPS follows; a POST would break."""
    report = PlainHTTPReport()
    report.note("192.0.2.1", b"Mozilla/5.0 Firefox/1", b"GET", b"/", 1.0, browser=True, redirected=True)
    report.note("192.0.2.2", b"okhttp/4", b"POST", b"/", 2.0)
    report.seen_secure("192.0.2.1", b"Mozilla/5.0 Firefox/1", 3.0)
    assert [row["verdict"] for row in report.rows()] == ["would-break", "follows"]


def test_merge() -> None:
    """Merging the rows of two workers adds their counts."""
    one, two = PlainHTTPReport(), PlainHTTPReport()
    for report in (one, two):
        report.note("192.0.2.1", b"git/2", b"GET", b"/x", 1.0)
    one.merge(two.rows())
    assert one.rows()[0]["count"] == 2
