"""
Pick one server of several: round robin, least outstanding, or consistent hash.

Pure decisions over the pools' counts; they do no I/O.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Protocol

from ..sites import Selection

__all__ = ["Candidate", "pick_for"]

#: Points of each server on the ring: enough to spread keys within a few percent.
POINTS = 100


class Candidate(Protocol):
    """
    What selection needs to know of a server.
    """

    outstanding: int

    @property
    def name(self) -> str:
        """
        Stable over restarts and workers.
        """


def pick_for(selection: Selection) -> Callable[[Sequence[Candidate], bytes], Candidate]:
    """
    A function that picks one of the candidates for a key; only C{consistent-hash} looks at the key.
    """
    if selection is Selection.CONSISTENT_HASH:
        return _ConsistentHash().pick
    if selection is Selection.ROUND_ROBIN:
        return _RoundRobin().pick
    return _LeastOutstanding().pick


class _RoundRobin:
    def __init__(self) -> None:
        self._turn = -1

    def pick(self, candidates: Sequence[Candidate], key: bytes) -> Candidate:
        self._turn = (self._turn + 1) % len(candidates)
        return candidates[self._turn]


class _LeastOutstanding:
    """
    The fewest exchanges under way; among equals, in turn, so that a quiet upstream does not use its first server
    only.
    """

    def __init__(self) -> None:
        self._turn = -1

    def pick(self, candidates: Sequence[Candidate], key: bytes) -> Candidate:
        count = len(candidates)
        self._turn = start = (self._turn + 1) % count
        best = candidates[start]
        for offset in range(1, count):
            candidate = candidates[(start + offset) % count]
            if candidate.outstanding < best.outstanding:
                best = candidate
        return best


class _ConsistentHash:
    """
    A ring of points: a server that comes or goes moves only the keys next to its own points.
    """

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._points: list[int] = []
        self._owners: list[int] = []

    def pick(self, candidates: Sequence[Candidate], key: bytes) -> Candidate:
        names = tuple(candidate.name for candidate in candidates)
        if names != self._names:
            self._build(names)
        at = bisect_left(self._points, _point(key)) % len(self._points)
        return candidates[self._owners[at]]

    def _build(self, names: tuple[str, ...]) -> None:
        self._names = names
        ring = sorted(
            (_point(f"{name}#{index}".encode()), owner) for owner, name in enumerate(names) for index in range(POINTS)
        )
        self._points = [point for point, _ in ring]
        self._owners = [owner for _, owner in ring]


def _point(key: bytes) -> int:
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big")
