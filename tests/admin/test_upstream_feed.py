"""
Servers that go down and come back, as events.
"""

from tlsgate.admin._upstream_feed import UpstreamFeed
from tlsgate.counters import Counters
from tlsgate.interfaces import WorkerReport


def reports(*states: dict[str, str]) -> list[WorkerReport]:
    """
    What each worker thinks of the servers of upstream C{app}.
    """
    return [
        WorkerReport(pid=number, generation=1, counters=Counters(), upstreams={"app": servers})
        for number, servers in enumerate(states, 1)
    ]


def test_changes_only() -> None:
    """
    The first look tells nothing, later ones what is another state; a server is down if any worker thinks so.
    """
    feed = UpstreamFeed()
    assert feed.news(reports({"a": "up", "b": "down"}, {"a": "up", "b": "up"})) == []
    assert feed.news(reports({"a": "up", "b": "down"}, {"a": "down", "b": "up"})) == [
        {"upstream": "app", "server": "a", "state": "down", "before": "up"}
    ]
    assert feed.news(reports({"a": "up", "b": "up"}, {"a": "down", "b": "up"})) == [
        {"upstream": "app", "server": "b", "state": "up", "before": "down"}
    ]
    assert feed.news(reports({"a": "up", "b": "up"}, {"a": "down", "b": "up"})) == []


def test_new_servers() -> None:
    """
    A server that was just added is told only if it is not up.
    """
    feed = UpstreamFeed()
    feed.news(reports({}))
    assert feed.news(reports({"a": "up", "b": "down"})) == [
        {"upstream": "app", "server": "b", "state": "down", "before": "up"}
    ]
