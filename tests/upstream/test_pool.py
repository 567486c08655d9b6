"""
Connections lent: an idle one, a new one, or a place in line.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from _upstream_bench import Borrower, UpstreamBench
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tlsgate.errors import NoUpstream
from tlsgate.sites import Timeouts
from tlsgate.upstream._pool import IDLE_TIMEOUT, ServerPool

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def lend(pool: ServerPool, **options: Any) -> Borrower:
    """
    Ask for a connection; what is answered at once counts as lent, too.
    """
    borrower = Borrower()
    borrower.pool = pool
    connection = pool.lend(borrower, b"GET", **options)
    if connection is not None:
        borrower.connection_lent(connection)
    return borrower


def test_a_new_one_then_an_idle_one(bench: UpstreamBench) -> None:
    """
    The first is opened, and after its exchange lent again at once, as used.
    """
    pool = bench.pool()
    first = lend(pool)
    assert (first.events, pool.outstanding) == ([], 1)
    far = bench.accept()
    assert first.events == ["lent"]
    assert not first.connection.reused
    far.send(ANSWER)
    bench.spin()
    assert (first.events[-1], pool.outstanding, pool.idle, pool.active) == ("ended", 0, 1, 0)
    second = lend(pool)
    assert second.connection is first.connection
    assert second.connection.reused
    assert repr(pool).endswith("[1 outstanding, 0 idle, 0 opening, 0 waiting]>")
    assert "reused" in repr(second.connection)


def test_the_last_used_first(bench: UpstreamBench) -> None:
    """
    Of several idle ones the origin is least likely to have closed the last.
    """
    pool = bench.pool()
    borrowers = [lend(pool), lend(pool)]
    bench.accept(), bench.accept()
    for borrower in borrowers:
        borrower.connection.dataReceived(ANSWER)
    assert lend(pool).connection is borrowers[1].connection


def test_a_fresh_one(bench: UpstreamBench) -> None:
    """
    Whoever must have a fresh one gets one, and at the limit an idle one makes room for it.
    """
    pool = bench.pool(max_connections=1)
    first = lend(pool)
    bench.accept()
    first.connection.dataReceived(ANSWER)
    fresh = lend(pool, fresh=True)
    bench.accept()
    assert fresh.events == ["lent"]
    assert fresh.connection is not first.connection
    assert not fresh.connection.reused
    assert pool.idle == 0


def test_the_line(bench: UpstreamBench) -> None:
    """
    Is served in order, bounded in length and in time.
    """
    pool = bench.pool(max_connections=1, queue=2, queue_timeout=5.0)
    first, second, third = lend(pool), lend(pool), lend(pool)
    with pytest.raises(NoUpstream):
        lend(pool)
    assert pool.outstanding == 3
    bench.accept()
    first.connection.dataReceived(ANSWER)
    assert second.connection is first.connection
    bench.advance(6)
    assert third.events == [("failed", "upstream-unavailable")]
    assert pool.outstanding == 1
    second.connection.dataReceived(ANSWER)
    assert (pool.outstanding, pool.idle) == (0, 1)


def test_a_place_becomes_free(bench: UpstreamBench) -> None:
    """
    Whoever is next in line opens a connection when another ends, is given up, or the limit is raised.
    """
    pool = bench.pool(max_connections=1)
    borrowers = [lend(pool) for _ in range(5)]
    bench.accept()
    pool.evict(borrowers[0].connection)
    bench.accept()
    assert borrowers[1].events == ["lent"]
    borrowers[1].connection.transport.abortConnection()
    bench.accept()
    assert borrowers[1].events == ["lent", ("broke", "upstream-broke")]
    assert borrowers[2].events == ["lent"]
    pool.update(attrs.evolve(pool.upstream, max_connections=2), pool.server, pool.timeouts, pool.limits)
    assert pool.give_up(borrowers[3])
    bench.accept()
    bench.accept()
    assert borrowers[3].events == []
    assert borrowers[4].events == ["lent"]
    assert pool.outstanding == 2


def test_giving_up(bench: UpstreamBench) -> None:
    """
    Is told whether a connection was on its way; who has one, or nothing, is not affected.
    """
    pool = bench.pool(max_connections=1)
    opening, waiting = lend(pool), lend(pool)
    assert not pool.give_up(waiting)
    assert pool.give_up(opening)
    assert not pool.give_up(opening)
    assert pool.outstanding == 0
    bench.spin()
    assert opening.events == waiting.events == []


def test_refused(bench: UpstreamBench) -> None:
    """
    A server that is not there: told later, never from within lend.
    """
    pool = bench.pool()
    bench.listener.close()
    borrower = lend(pool)
    assert borrower.events == []
    bench.spin()
    assert borrower.events == [("failed", "upstream-refused")]
    assert pool.outstanding == 0


def test_what_is_not_kept(bench: UpstreamBench) -> None:
    """
    Beyond max_idle, unclean, behind a PROXY header, or of a closed pool.
    """
    for change in ("idle", "unclean", "proxied", "closed"):
        pool = bench.pool(max_idle=0 if change == "idle" else 9, proxy_protocol=2 if change == "proxied" else 0)
        borrower = lend(pool)
        bench.accept()
        if change == "closed":
            pool.close()
        borrower.connection.dataReceived(ANSWER + (b"x" if change == "unclean" else b""))
        assert borrower.events[-1] == "ended"
        assert (pool.idle, pool.outstanding) == (0, 0), change
        assert not borrower.connection.transport.connected


def test_a_request_not_sent_to_its_end(bench: UpstreamBench) -> None:
    """
    Answered early by a server that reads no more: its connection is reset.
    """
    pool = bench.pool()
    borrower = lend(pool)
    bench.accept()
    connection = borrower.connection
    connection.transport.write(b"x" * 8_000_000)
    assert connection.transport.buffered
    connection.dataReceived(ANSWER)
    assert (pool.idle, connection.transport.connected) == (0, False)


def test_an_orderly_eviction_has_its_time(bench: UpstreamBench) -> None:
    """
    What was written is sent, but nobody waits for ever for a server that does not take it.
    """
    pool = bench.pool(Timeouts(body=2.0))
    borrower = lend(pool)
    bench.accept()
    connection = borrower.connection
    connection.transport.write(b"x" * 8_000_000)
    pool.evict(connection, orderly=True)
    assert connection.transport.connected
    bench.advance(5)
    assert not connection.transport.connected
    assert pool.active == 0


def test_idle_ones_end(bench: UpstreamBench) -> None:
    """
    After their time, or when the origin closes them; nobody is lent one that has ended.
    """
    pool = bench.pool()
    first, second = lend(pool), lend(pool)
    far, _ = bench.accept(), bench.accept()
    for borrower in (first, second):
        borrower.connection.dataReceived(ANSWER)
    far.close()
    bench.spin()
    assert pool.idle == 1
    bench.advance(IDLE_TIMEOUT + 3)
    assert pool.idle == 0
    assert pool.active == 0


def test_a_mistake_in_one_exchange_stays_there(bench: UpstreamBench) -> None:
    """
    Who releases a connection is not hurt by who gets it.
    """
    pool = bench.pool(max_connections=1)
    first, second, third = lend(pool), lend(pool), lend(pool)
    second.raises = third.raises = "lent"
    bench.accept()
    first.connection.dataReceived(ANSWER)
    assert first.events[-1] == "ended"
    assert second.events == ["lent", "crashed"]
    bench.accept()
    assert third.events == ["lent", "crashed"]
    assert pool.outstanding == 0


def test_a_mistake_after_a_refusal(bench: UpstreamBench) -> None:
    """
    Likewise.
    """
    pool = bench.pool()
    bench.listener.close()
    borrower = lend(pool)
    borrower.raises = "failed"
    bench.spin()
    assert borrower.events == [("failed", "upstream-refused"), "crashed"]


class Accounting(RuleBasedStateMachine):
    """
    Whatever happens in whatever order: outstanding is the number of borrowers that have or await a connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.bench = UpstreamBench(Path(self.folder.name))
        self.pool = self.bench.pool(max_connections=3, queue=2, queue_timeout=3.0, max_idle=2)
        self.borrowers: list[Borrower] = []
        self.far: list[socket.socket] = []

    def teardown(self) -> None:
        for sock in self.far:
            sock.close()
        self.bench.close()
        self.folder.cleanup()

    def _those(self, having: bool) -> list[Borrower]:
        return [b for b in self.borrowers if (b.connection is not None) == having]

    @rule(fresh=st.booleans())
    def lend(self, fresh: bool) -> None:
        with contextlib.suppress(NoUpstream):
            borrower = Borrower()
            self.borrowers.append(borrower)
            try:
                connection = self.pool.lend(borrower, b"GET", fresh)
            except NoUpstream:
                self.borrowers.remove(borrower)
                raise
            if connection is not None:
                borrower.connection_lent(connection)

    @rule()
    def spin(self) -> None:
        self.bench.spin(3)
        with contextlib.suppress(BlockingIOError):
            while True:
                far, _ = self.bench.listener.accept()
                self.far.append(far)

    @rule(which=st.integers(0, 9), how=st.sampled_from(["release", "evict", "orderly", "answer", "break"]))
    def finish(self, which: int, how: str) -> None:
        having = self._those(True)
        if not having:
            return
        borrower = having[which % len(having)]
        connection = borrower.connection
        if how == "answer":
            borrower.pool = self.pool
            connection.dataReceived(ANSWER)
        elif how == "break":
            connection.readConnectionLost()
            # Whoever is in line gets its place when the connection has really ended.
            self.bench.spin(1)
        elif how == "release":
            self.pool.release(connection)
        else:
            self.pool.evict(connection, orderly=how == "orderly")
        self.borrowers.remove(borrower)

    @rule(which=st.integers(0, 9))
    def give_up(self, which: int) -> None:
        waiting = self._those(False)
        if waiting:
            borrower = waiting[which % len(waiting)]
            self.pool.give_up(borrower)
            self.borrowers.remove(borrower)

    @rule(which=st.integers(0, 9))
    def origin_closes(self, which: int) -> None:
        if self.far:
            self.far.pop(which % len(self.far)).close()

    @rule(seconds=st.integers(1, 4))
    def wait(self, seconds: int) -> None:
        self.bench.advance(seconds)

    @rule(most=st.sampled_from([0, 1, 3]))
    def change(self, most: int) -> None:
        upstream = attrs.evolve(self.pool.upstream, max_connections=most)
        self.pool.update(upstream, self.pool.server, self.pool.timeouts, self.pool.limits)

    @invariant()
    def adds_up(self) -> None:
        # Those that were told of an end are no borrowers any more.
        self.borrowers = [b for b in self.borrowers if not b.events or b.events[-1] == "lent"]
        pool = self.pool
        assert pool.outstanding == len(self.borrowers)
        assert len(pool._opening) + len(pool._waiting) == len(self._those(False))
        assert len({id(b.connection) for b in self._those(True)}) == len(self._those(True))
        assert pool.active >= 0
        assert pool.idle <= 2
        # No line while there is room.
        assert not (pool._waiting and (pool._idle or pool._has_room()))


TestAccounting = Accounting.TestCase
TestAccounting.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
