"""
Who uses plain HTTP, as events and as an answer.
"""

from __future__ import annotations

from tlsgate.admin._plain_http_feed import PlainHTTPFeed, merged_rows
from tlsgate.counters import Counters
from tlsgate.interfaces import WorkerReport
from tlsgate.policy import PlainHTTPReport


def worker(report: PlainHTTPReport) -> WorkerReport:
    return WorkerReport(pid=1, generation=1, counters=Counters(), plain_http=report.rows())


def test_tells_what_is_new() -> None:
    """
    An event holds the rows that are new or differ, counts all verdicts, and does not come without news.
    """
    one, two, feed = PlainHTTPReport(), PlainHTTPReport(), PlainHTTPFeed()
    assert feed.news([worker(one)]) is None
    one.note("app", "192.0.2.1", b"curl/8", b"POST", b"/", 1.0)
    two.note("app", "192.0.2.2", b"git/2", b"GET", b"/", 2.0)
    news = feed.news([worker(one), worker(two)])
    assert news is not None
    assert [row["address"] for row in news["rows"]] == ["192.0.2.2", "192.0.2.1"]
    assert news["verdicts"] == {"would-break": 1, "unknown": 1}
    assert feed.news([worker(one), worker(two)]) is None
    two.note("app", "192.0.2.2", b"git/2", b"GET", b"/", 3.0)
    news = feed.news([worker(one), worker(two)])
    assert news is not None
    assert [(row["address"], row["count"]) for row in news["rows"]] == [("192.0.2.2", 2)]


def test_events_are_bounded() -> None:
    """
    However many rows changed, an event holds those seen last and says how many there were.
    """
    report = PlainHTTPReport()
    for number in range(100):
        report.note("app", f"192.0.2.{number}", b"curl/8", b"GET", b"/", float(number))
    news = PlainHTTPFeed().news([worker(report)])
    assert news is not None
    assert (len(news["rows"]), news["changed"]) == (20, 100)


def test_times_are_readable() -> None:
    """
    Instants are answered as RFC 3339 says.
    """
    report = PlainHTTPReport()
    report.note("app", "192.0.2.1", b"", b"GET", b"/", 1_790_000_000.0)
    assert merged_rows([worker(report)])[0]["last_seen"].startswith("2026-09-21T")
