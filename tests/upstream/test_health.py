"""
Who may be picked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from _upstream_bench import Borrower, UpstreamBench, server

from tlsgate.errors import NoUpstream
from tlsgate.sites import Health, Limits, Selection, Timeouts, Upstream
from tlsgate.upstream import UpstreamGroup, UpstreamGroups


@pytest.fixture
def groups(bench: UpstreamBench) -> Any:
    """
    All upstreams of a bench.
    """
    groups = UpstreamGroups(bench.hub, bench.counters)
    yield groups
    groups.close()


def serve(groups: UpstreamGroups, upstream: Upstream) -> UpstreamGroup:
    """
    The group of an upstream that is served from now on.
    """
    return groups.apply(groups.plan([upstream], Timeouts(), Limits()))[upstream.name]


def two(bench: UpstreamBench, tmp_path: Path, **health: Any) -> Upstream:
    """
    The bench's server and one that is not there.
    """
    servers = (server(bench.path), server(str(tmp_path / "gone")))
    return Upstream(name="app", servers=servers, selection=Selection.ROUND_ROBIN, health=Health(**health))


def test_passive(bench: UpstreamBench, groups: UpstreamGroups, tmp_path: Path) -> None:
    """
    Failures in a row eject a server for a while; it comes back on probation, and its next failure ejects it again.
    """
    group = serve(groups, two(bench, tmp_path, failures=2, eject_for=5.0))
    good, bad = group.pools
    group.exchange_failed(bad, "upstream-refused")
    assert bad.up
    group.exchange_failed(bad, "upstream-refused")
    assert group.states() == {good.server.url: "up", bad.server.url: "down"}
    assert {group.pick(b"") for _ in range(4)} == {good}
    assert bench.counters.upstream_failures["app", bad.server.url, "upstream-refused"] == 2
    bench.advance(6)
    assert bad.up
    group.exchange_failed(bad, "upstream-refused")
    assert not bad.up


def test_the_last_one_stays(bench: UpstreamBench, groups: UpstreamGroups, tmp_path: Path) -> None:
    """
    An answer that may fail is better than one that must; a server in drain is no other.
    """
    upstream = two(bench, tmp_path, failures=1)
    group = serve(groups, upstream)
    for pool in group.pools:
        group.exchange_failed(pool, "x")
    assert [pool.up for pool in group.pools] == [False, True]
    drained = (attrs.evolve(upstream.servers[0], drain=True), upstream.servers[1])
    group = serve(groups, attrs.evolve(upstream, servers=drained))
    assert group.states()[upstream.servers[0].url] == "drain"
    group.exchange_failed(group.pools[1], "x")
    assert group.pools[1].up


def answer(bench: UpstreamBench, response: bytes) -> bytes:
    """
    Answer the next check; what it asked.
    """
    far = bench.accept()
    bench.spin()
    asked = far.recv(4096)
    far.send(response)
    bench.spin()
    return asked


GOOD, BAD = b"HTTP/1.1 204 Fine\r\n\r\n", b"HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n"


def checked(bench: UpstreamBench, **health: Any) -> Upstream:
    """
    One server that is asked every 10 seconds.
    """
    health = {"path": "/h?x", "failures": 2, "successes": 2, "interval": 10.0, "timeout": 5.0, **health}
    return Upstream(name="app", servers=(server(bench.path),), health=Health(**health))


def test_active(bench: UpstreamBench, groups: UpstreamGroups) -> None:
    """
    Bad answers in a row eject even the last server, good ones restore it; each check has a connection of its own.
    """
    group = serve(groups, checked(bench))
    [pool] = group.pools
    assert answer(bench, BAD).startswith(b"GET /h?x HTTP/1.1\r\nHost: localhost\r\n")
    assert pool.up
    bench.advance(10)
    answer(bench, BAD)
    with pytest.raises(NoUpstream):
        group.pick(b"")
    for _ in range(2):
        assert not pool.up
        bench.advance(10)
        answer(bench, GOOD)
    assert group.pick(b"") is pool
    assert (pool.idle, pool.outstanding) == (0, 0)


@pytest.mark.parametrize("what", [b"", b"nonsense\r\n", b"HTTP/1.1 101 X\r\n\r\n", None])
def test_a_check_without_an_answer(bench: UpstreamBench, groups: UpstreamGroups, what: bytes | None) -> None:
    """
    Silence, nonsense, a switch of protocols and an early end have failed in time.
    """
    [pool] = serve(groups, checked(bench, failures=1)).pools
    far = bench.accept()
    bench.spin()
    if what is None:
        far.close()
    elif what:
        far.send(what)
    bench.spin()
    bench.advance(6)
    assert (pool.up, pool.outstanding) == (False, 0)


def test_busy_is_not_ill(bench: UpstreamBench, groups: UpstreamGroups) -> None:
    """
    A check that gets no connection because all are in use says nothing.
    """
    for queue in (0, 5):
        upstream = attrs.evolve(checked(bench, failures=1), name=f"app{queue}", max_connections=1, queue=queue)
        group = groups.apply(groups.plan([attrs.evolve(upstream, health=Health())], Timeouts(), Limits()))[
            upstream.name
        ]
        [pool] = group.pools
        pool.lend(Borrower(), b"GET")
        bench.accept()
        serve(groups, upstream)
        bench.advance(8)
        assert (pool.up, pool.outstanding) == (True, 1)


def test_checks_that_are_switched_off(bench: UpstreamBench, groups: UpstreamGroups) -> None:
    """
    Leave nobody out for ever.
    """
    upstream = checked(bench, failures=1)
    [pool] = serve(groups, upstream).pools
    answer(bench, BAD)
    assert not pool.up
    serve(groups, attrs.evolve(upstream, health=Health(eject_for=3.0)))
    bench.advance(4)
    assert pool.up
    with pytest.raises(BlockingIOError):
        bench.listener.accept()


def test_checks_end_with_their_upstream(bench: UpstreamBench, groups: UpstreamGroups) -> None:
    """
    An upstream that is gone is asked no more.
    """
    serve(groups, checked(bench))
    answer(bench, GOOD)
    groups.apply(groups.plan([], Timeouts(), Limits()))
    bench.advance(30)
    with pytest.raises(BlockingIOError):
        bench.listener.accept()


def test_workers_eject_and_restore_together(bench: UpstreamBench, groups: UpstreamGroups, tmp_path: Path) -> None:
    """
    What one ejects by its exchanges all do, and bring back by themselves; only who saw it tells.
    """
    told: list[tuple[str, str, bool]] = []
    groups.share(lambda *server: told.append(server))
    group = serve(groups, two(bench, tmp_path, failures=1, eject_for=5.0))
    good, bad = group.pools
    groups.hear("app", bad.server.url, up=False)
    assert {group.pick(b"") for _ in range(4)} == {good}
    assert told == []
    # The last one stays, whoever finds it bad.
    groups.hear("app", good.server.url, up=False)
    assert good.up
    groups.hear("app", bad.server.url, up=True)
    assert bad.up
    bench.advance(6)
    assert told == []
    group.exchange_failed(bad, "x")
    bench.advance(6)
    assert told == [("app", bad.server.url, False), ("app", bad.server.url, True)]
    groups.hear("app", bad.server.url, up=False)
    bench.advance(6)
    assert bad.up
    groups.hear("gone", "http://gone", up=False)


def test_one_worker_makes_the_active_checks(bench: UpstreamBench, groups: UpstreamGroups) -> None:
    """
    The others do as it says, and go on where it was when it is their turn.
    """
    told: list[bool] = []
    groups.share(lambda *server: told.append(server[2]))
    [pool] = serve(groups, checked(bench, failures=1, successes=1)).pools
    bench.advance(30)
    assert pool.outstanding == 0
    groups.hear("app", pool.server.url, up=False)
    assert not pool.up
    groups.check(True)
    answer(bench, GOOD)
    assert (pool.up, told) == (True, [True])
    bench.advance(10)
    answer(bench, BAD)
    assert (pool.up, told) == (False, [True, False])
    groups.check(False)
    bench.advance(30)
    assert not pool.up
    groups.hear("app", pool.server.url, up=True)
    assert pool.up
