"""
Who still uses plain HTTP: a bounded table.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any, Final

import attrs

from ..counters import KNOWN_METHODS
from ._user_agents import family

__all__ = ["PlainHTTPReport"]

#: Worst first: when rows are put together, the worse verdict stays.
_VERDICTS: Final = ("would-break", "browser", "follows", "unknown")

#: They follow no redirect unless told to.
_NO_REDIRECT: Final = frozenset({"curl", "docker", "kube-probe", "teamcity-agent"})

_Key = tuple[str, str, str, str]


@attrs.define
class _Row:
    first_seen: float
    last_seen: float
    count: int
    verdict: str
    redirected: bool


class PlainHTTPReport:
    """
    Counts requests over plain HTTP by address, user agent family, method and path prefix.

    Bounded whatever the traffic: when C{max_rows} is reached, addresses are put together to networks (/24, /56), and
    then the least recently seen row is forgotten.
    """

    def __init__(self, max_rows: int = 1000) -> None:
        self._max_rows = max_rows
        self._rows: OrderedDict[_Key, _Row] = OrderedDict()
        self._by_network = False
        # Address to families that were redirected and not yet seen over HTTPS: every HTTPS request asks, so it must
        # be one look-up for those that never were.
        self._awaiting: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def note(
        self,
        address: str,
        user_agent: bytes,
        method: bytes,
        target: bytes,
        now: float,
        *,
        browser: bool = False,
        credentials: bool = False,
        redirected: bool = False,
    ) -> None:
        """
        A request came over plain HTTP.

        @param now: Unix time.
        @param browser: see L{is_browser}.
        @param credentials: were there credentials in clear?
        @param redirected: was it answered with a redirect?
        """
        word = family(user_agent)
        if credentials or method not in (b"GET", b"HEAD") or word in _NO_REDIRECT:
            verdict = "would-break"
        else:
            verdict = "browser" if browser else "unknown"
        shown = method.decode("ascii") if method in KNOWN_METHODS else "other"
        key = (_network(address) if self._by_network else address, word, shown, _prefix(target))
        self._add(key, _Row(now, now, 1, verdict, redirected))
        if redirected:
            self._awaiting.setdefault(_network(address) if self._by_network else address, set()).add(word)
            if len(self._awaiting) > self._max_rows:
                self._awaiting = {}

    def seen_secure(self, address: str, user_agent: bytes, now: float) -> None:
        """
        A request came over HTTPS: whoever was redirected before has followed.  Costs nothing while the table is empty.

        @param now: Unix time.
        """
        if not self._awaiting:
            return
        where = _network(address) if self._by_network else address
        words = self._awaiting.get(where)
        if words is None or (word := family(user_agent)) not in words:
            return
        words.discard(word)
        if not words:
            del self._awaiting[where]
        for key, row in self._rows.items():
            if row.redirected and key[0] == where and key[1] == word and row.last_seen <= now:
                row.verdict = "follows"

    def rows(self) -> tuple[dict[str, Any], ...]:
        """
        The table as plain values, last seen first.
        """
        return tuple(
            {
                "address": key[0],
                "user_agent": key[1],
                "method": key[2],
                "path": key[3],
                "first_seen": row.first_seen,
                "last_seen": row.last_seen,
                "count": row.count,
                "verdict": row.verdict,
                "redirected": row.redirected,
            }
            for key, row in sorted(self._rows.items(), key=lambda item: -item[1].last_seen)
        )

    def merge(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """
        Add the rows of another worker's table.
        """
        for row in rows:
            address = _network(row["address"]) if self._by_network else row["address"]
            key = (address, row["user_agent"], row["method"], row["path"])
            self._add(key, _Row(row["first_seen"], row["last_seen"], row["count"], row["verdict"], row["redirected"]))

    def _add(self, key: _Key, new: _Row) -> None:
        self._combine(key, new)
        if len(self._rows) <= self._max_rows:
            return
        if not self._by_network:
            self._by_network = True
            self._awaiting = {}
            old, self._rows = self._rows, OrderedDict()
            for (address, *rest), row in old.items():
                self._combine((_network(address), rest[0], rest[1], rest[2]), row)
        while len(self._rows) > self._max_rows:
            self._rows.popitem(last=False)

    def _combine(self, key: _Key, new: _Row) -> None:
        row = self._rows.get(key)
        if row is None:
            self._rows[key] = new
            return
        row.first_seen = min(row.first_seen, new.first_seen)
        row.last_seen = max(row.last_seen, new.last_seen)
        row.count += new.count
        row.redirected = row.redirected or new.redirected
        # Who has followed once goes on following: "unknown" does not take that back, a break does.
        row.verdict = min(row.verdict, new.verdict, key=_VERDICTS.index)
        self._rows.move_to_end(key)


def _prefix(target: bytes) -> str:
    # The first segment only: the rest may hold secrets and has no bound.  Neither does the query belong here.
    path = target.partition(b"?")[0]
    segment = path[1:].partition(b"/")[0] if path.startswith(b"/") else b""
    return "/" + segment[:64].decode("ascii", "backslashreplace")


def _network(address: str) -> str:
    if "/" in address or not address:
        return address
    try:
        return str(ip_network(f"{address}/{56 if ':' in address else 24}", strict=False))
    except ValueError:
        return address
