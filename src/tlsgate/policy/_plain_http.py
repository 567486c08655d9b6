"""
Who still uses plain HTTP: a bounded table.

Each process keeps one.  L{PlainHTTPReport.rows} is what it tells, L{PlainHTTPReport.merge} puts several together, and
L{PlainHTTPReport.shown} is what people read.  A client may be redirected by one process and come back to another, so a
table also keeps who came over HTTPS, and only the merged one knows who has followed.
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
_VERDICTS: Final = ("would-break", "browser", "unknown")

#: They follow no redirect to another scheme unless told to: curl needs C{-L}, Java's clients must be asked.
_NO_REDIRECT: Final = frozenset({"curl", "docker", "java", "kube-probe", "teamcity-agent"})

#: Two processes that look at the same clock can be a second apart, since each looks once a second.
_SKEW: Final = 1.0

_Key = tuple[str, str, str, str, str]


@attrs.define
class _Row:
    """
    @ivar redirected_at: when it was first redirected; 0 if it never was.
    @ivar credentials: requests that carried any.
    @ivar kind: of the latest credentials, and C{fingerprint} what tells them from others.
    """

    first_seen: float
    last_seen: float
    count: int
    verdict: str
    redirected_at: float
    credentials: int
    kind: str
    fingerprint: str


class PlainHTTPReport:
    """
    Counts requests over plain HTTP by site, address, user agent family, method and path prefix.

    Bounded whatever the traffic: when C{max_rows} is reached, addresses are put together to networks (/24, /56), and
    then the least recently seen row is forgotten.
    """

    def __init__(self, max_rows: int = 1000) -> None:
        self._max_rows = max_rows
        self._rows: OrderedDict[_Key, _Row] = OrderedDict()
        self._by_network = False
        # Address and family to when it last came over HTTPS.
        self._secure: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<PlainHTTPReport: {len(self._rows)} rows, {len(self._secure)} over HTTPS>"

    def note(  # noqa: PLR0917 - one look at one request, in the order of its parts; a value to hold them would be made for each
        self,
        site: str,
        address: str,
        user_agent: bytes,
        method: bytes,
        target: bytes,
        now: float,
        *,
        browser: bool = False,
        redirected: bool = False,
        kind: str = "",
        fingerprint: str = "",
    ) -> None:
        """
        A request came over plain HTTP.

        @param now: Unix time.
        @param browser: see L{is_browser}.
        @param redirected: was it answered with a redirect?
        @param kind: of the credentials that it carried in clear; empty for none.
        @param fingerprint: of those; see L{Found}.
        """
        word = family(user_agent)
        shown = method.decode("ascii") if method in KNOWN_METHODS else "other"
        key = (site, _network(address) if self._by_network else address, word, shown, _prefix(target))
        row = self._rows.get(key)
        if row is None:
            verdict = "browser" if browser else "unknown"
            if kind or method not in (b"GET", b"HEAD") or word in _NO_REDIRECT:
                verdict = "would-break"
            at = now if redirected else 0.0
            self._add(key, _Row(now, now, 1, verdict, at, 1 if kind else 0, kind, fingerprint))
            return
        # The usual case: the same client asks again.
        row.last_seen = now
        row.count += 1
        if redirected and not row.redirected_at:
            row.redirected_at = now
        if kind:
            row.credentials += 1
            row.kind = kind
            row.fingerprint = fingerprint
            row.verdict = "would-break"
        elif browser and row.verdict == "unknown":
            row.verdict = "browser"
        self._rows.move_to_end(key)

    def seen_secure(self, address: str, user_agent: bytes, now: float) -> None:
        """
        A request came over HTTPS to a site that redirects.

        @param now: Unix time.
        """
        self._remember_secure((address, family(user_agent)), now)

    def rows(self) -> tuple[dict[str, Any], ...]:
        """
        The table as plain values for L{merge}, and who came over HTTPS.
        """
        table = (
            {
                "kind": "request",
                "site": key[0],
                "address": key[1],
                "user_agent": key[2],
                "method": key[3],
                "path": key[4],
                "row": attrs.astuple(row),
            }
            for key, row in self._rows.items()
        )
        secure = (
            {"kind": "secure", "address": address, "user_agent": word, "last_seen": seen}
            for (address, word), seen in self._secure.items()
        )
        return (*table, *secure)

    def merge(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """
        Add the rows of another table; rows of other kinds are passed over.
        """
        for row in rows:
            if row["kind"] == "request":
                address = _network(row["address"]) if self._by_network else row["address"]
                key = (row["site"], address, row["user_agent"], row["method"], row["path"])
                self._add(key, _Row(*row["row"]))
            elif row["kind"] == "secure":
                self._remember_secure((row["address"], row["user_agent"]), row["last_seen"])

    def shown(self) -> list[dict[str, Any]]:
        """
        The table for people, last seen first; instants are Unix times.

        C{verdict} is C{follows} for who was redirected and came over HTTPS afterwards: that is evidence.  The others are
        what to expect: C{would-break} for content, credentials, and clients that follow no redirects; C{browser}; and
        C{unknown}.
        """
        secure = self._secure_by_network() if self._by_network else self._secure
        return [
            {
                "site": site,
                "address": address,
                "user_agent": word,
                "method": method,
                "path": path,
                "first_seen": row.first_seen,
                "last_seen": row.last_seen,
                "count": row.count,
                "verdict": "follows" if _has_followed(row, secure.get((address, word))) else row.verdict,
                "redirected": row.redirected_at > 0,
                "credentials": row.credentials,
                "credentials_kind": row.kind,
                "fingerprint": row.fingerprint,
            }
            for (site, address, word, method, path), row in sorted(
                self._rows.items(), key=lambda item: -item[1].last_seen
            )
        ]

    def _remember_secure(self, key: tuple[str, str], now: float) -> None:
        secure = self._secure
        secure[key] = max(now, secure.get(key, 0.0))
        secure.move_to_end(key)
        if len(secure) > self._max_rows:
            secure.popitem(last=False)

    def _secure_by_network(self) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = {}
        for (address, word), seen in self._secure.items():
            key = _network(address), word
            found[key] = max(seen, found.get(key, 0.0))
        return found

    def _add(self, key: _Key, new: _Row) -> None:
        self._combine(key, new)
        if len(self._rows) <= self._max_rows:
            return
        if not self._by_network:
            self._by_network = True
            old, self._rows = self._rows, OrderedDict()
            for (site, address, word, method, path), row in old.items():
                self._combine((site, _network(address), word, method, path), row)
        while len(self._rows) > self._max_rows:
            self._rows.popitem(last=False)

    def _combine(self, key: _Key, new: _Row) -> None:
        row = self._rows.get(key)
        if row is None:
            self._rows[key] = new
            return
        if new.kind and new.last_seen >= row.last_seen:
            row.kind, row.fingerprint = new.kind, new.fingerprint
        row.first_seen = min(row.first_seen, new.first_seen)
        row.last_seen = max(row.last_seen, new.last_seen)
        row.count += new.count
        row.credentials += new.credentials
        row.redirected_at = min(filter(None, (row.redirected_at, new.redirected_at)), default=0.0)
        row.verdict = min(row.verdict, new.verdict, key=_VERDICTS.index)
        self._rows.move_to_end(key)


def _has_followed(row: _Row, secure: float | None) -> bool:
    return secure is not None and row.redirected_at > 0 and secure >= row.redirected_at - _SKEW


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
