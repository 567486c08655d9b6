"""
Upstreams from snapshot to snapshot.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from _upstream_bench import Borrower, UpstreamBench, server

from tlsgate.errors import NoUpstream
from tlsgate.interfaces import ApplyFailed
from tlsgate.sites import Limits, Selection, Server, Timeouts, Upstream
from tlsgate.upstream import UpstreamGroups

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def app(*paths: str, **settings: object) -> Upstream:
    """
    An upstream of servers on UNIX sockets.
    """
    return Upstream(name="app", servers=tuple(server(path) for path in paths), **settings)  # type: ignore[arg-type]


def test_material_that_cannot_be_used_names_its_upstream(bench: UpstreamBench) -> None:
    """
    A plan fails with the upstream that is to blame, and nothing changes.
    """
    groups = UpstreamGroups(bench.hub, bench.counters)
    groups.apply(groups.plan([app(bench.path)], Timeouts(), Limits()))
    secure = Server(url="https://127.0.0.1:1", scheme="https", host="127.0.0.1", port=1)
    wrong = Upstream(name="wrong", servers=(secure,), client_certificate=b"nonsense")
    with pytest.raises(ApplyFailed) as failed:
        groups.plan([app(bench.path), wrong], Timeouts(), Limits())
    assert (failed.value.code, failed.value.subject) == ("invalid-settings", "upstream wrong")
    assert [group.settings.name for group in groups] == ["app"]
    groups.close()


def test_what_stays_is_not_touched(bench: UpstreamBench) -> None:
    """
    A pool that is part of the next snapshot keeps its connections, and takes the new settings; a plan changes nothing.
    """
    groups = UpstreamGroups(bench.hub, bench.counters)
    group = groups.apply(groups.plan([app(bench.path)], Timeouts(), Limits()))["app"]
    [pool] = group.pools
    borrower = Borrower()
    borrower.pool = pool
    pool.lend(borrower, b"GET")
    bench.accept()
    borrower.connection.dataReceived(ANSWER)
    plan = groups.plan([app("/other", bench.path, queue=1)], Timeouts(body=9.0), Limits(trailers=99))
    assert (group.pools, pool.upstream.queue) == ([pool], 256)
    assert groups.apply(plan)["app"] is group
    assert group.pools[1] is pool
    assert (pool.idle, pool.upstream.queue, pool.timeouts.body, pool.limits.trailers) == (1, 1, 9.0, 99)
    groups.gauge()
    assert bench.counters.upstream_connections["app", f"http+unix:{bench.path}", "idle"] == 1
    assert bench.counters.upstream_up["app", "http+unix:/other"] == 1
    groups.close()
    assert pool.idle == 0


def test_a_server_that_vanishes_while_it_is_used(bench: UpstreamBench) -> None:
    """
    Its exchanges end as they would have; then nothing of it is kept, and who waits is still served.
    """
    groups = UpstreamGroups(bench.hub, bench.counters)
    [pool] = groups.apply(groups.plan([app(bench.path, max_connections=1)], Timeouts(), Limits()))["app"].pools
    running, waiting = Borrower(), Borrower()
    running.pool = pool
    pool.lend(running, b"GET")
    pool.lend(waiting, b"GET")
    bench.accept()
    groups.apply(groups.plan([app("/other")], Timeouts(), Limits()))
    running.connection.dataReceived(ANSWER)
    assert running.events[-1] == "ended"
    bench.accept()
    assert waiting.events == ["lent"]
    pool.release(waiting.connection)
    assert (pool.idle, pool.outstanding) == (0, 0)


def test_picking(bench: UpstreamBench, tmp_path: Path) -> None:
    """
    Not a server in drain; another than the one that failed, if there is one; a key only where one is hashed.
    """
    groups = UpstreamGroups(bench.hub, bench.counters)
    upstream = app("/a", "/b")
    group = groups.apply(groups.plan([upstream], Timeouts(), Limits()))["app"]
    a, b = group.pools
    assert group.pick(b"", beside=a) is b
    assert not group.hashes()
    drained = attrs.evolve(upstream, servers=(attrs.evolve(upstream.servers[0], drain=True), upstream.servers[1]))
    groups.apply(groups.plan([attrs.evolve(drained, selection=Selection.CONSISTENT_HASH)], Timeouts(), Limits()))
    assert group.hashes()
    assert group.pick(b"x") is group.pick(b"x", beside=b) is b
    assert repr(group) == "<UpstreamGroup app [1 of 2 servers usable]>"
    none = tuple(attrs.evolve(each, drain=True) for each in upstream.servers)
    groups.apply(groups.plan([attrs.evolve(upstream, servers=none)], Timeouts(), Limits()))
    with pytest.raises(NoUpstream):
        group.pick(b"")
    assert [each.settings.name for each in groups] == ["app"]
