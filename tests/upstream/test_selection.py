"""
One server of several.
"""

from __future__ import annotations

from collections import Counter

import attrs
from hypothesis import given
from hypothesis import strategies as st

from tlsgate.sites import Selection
from tlsgate.upstream._selection import pick_for


@attrs.define
class Candidate:
    """
    A name and a count.
    """

    name: str
    outstanding: int = 0


def test_round_robin_takes_turns() -> None:
    """
    Each in its turn, also when one has gone in the meantime.
    """
    a, b, c = (Candidate(name) for name in "abc")
    pick = pick_for(Selection.ROUND_ROBIN)
    assert [pick([a, b, c], b"").name for _ in range(4)] == ["a", "b", "c", "a"]
    assert {pick([a, b], b"").name for _ in range(2)} == {"a", "b"}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_least_outstanding_takes_the_least(counts: list[int]) -> None:
    """
    Nobody has fewer than the one that is picked.
    """
    candidates = [Candidate(str(index), count) for index, count in enumerate(counts)]
    assert pick_for(Selection.LEAST_OUTSTANDING)(candidates, b"").outstanding == min(counts)


def test_least_outstanding_takes_equals_in_turn() -> None:
    """
    A quiet upstream uses all its servers.
    """
    candidates = [Candidate(name) for name in "abc"]
    pick = pick_for(Selection.LEAST_OUTSTANDING)
    assert Counter(pick(candidates, b"").name for _ in range(9)) == {"a": 3, "b": 3, "c": 3}


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=50))
def test_a_hash_is_consistent(keys: list[bytes]) -> None:
    """
    A key stays with its server when another goes, and over processes.
    """
    three = [Candidate(name) for name in ("one", "two", "three")]
    two = three[:2]
    pick, elsewhere = pick_for(Selection.CONSISTENT_HASH), pick_for(Selection.CONSISTENT_HASH)
    for key in keys:
        chosen = pick(three, key)
        assert elsewhere(three, key) is chosen
        if chosen in two:
            assert elsewhere(two, key) is chosen


def test_a_hash_spreads() -> None:
    """
    No server of four gets less than half of its share.
    """
    candidates = [Candidate(f"http://10.0.0.{n}:80") for n in range(4)]
    pick = pick_for(Selection.CONSISTENT_HASH)
    spread = Counter(pick(candidates, b"key%d" % n).name for n in range(2000))
    assert len(spread) == 4
    assert min(spread.values()) > 250
