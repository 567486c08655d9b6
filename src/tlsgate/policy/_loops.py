"""
Redirects that lead back to themselves, because somebody in front terminates TLS and asks again in clear.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from ..problems import Finding, Severity

__all__ = ["HandedOn", "LoopDetector", "Sighting", "loop_findings"]

#: A redirect of a proxy's request: site, peer, client, target, Unix time, and whether the peer claims HTTPS and is trusted.
Sighting = tuple[str, str, bytes, bytes, float, bool, bool]

#: What proxies that terminate TLS say about it: field, and what its value then is.
_CLAIMS: Final = (
    (b"x-forwarded-ssl", b"on"),
    (b"front-end-https", b"on"),
    (b"x-forwarded-scheme", b"https"),
    (b"x-forwarded-protocol", b"https"),
    (b"x-url-scheme", b"https"),
)
_HOP_FIELDS: Final = (b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip", b"x-forwarded-host")


def _claims_https(first: Mapping[bytes, bytes]) -> bool:
    """
    Does a request say that its client spoke HTTPS?  Nobody has to believe it.

    @param first: lower-case field name to the first value.
    """
    said = first.get(b"x-forwarded-proto")
    if said is not None and said.rpartition(b",")[2].strip(b" \t").lower() == b"https":
        return True
    if b"proto=https" in first.get(b"forwarded", b"").lower().replace(b'"', b""):
        return True
    return any(first.get(name, b"").lower() == value for name, value in _CLAIMS)


def _is_forwarded(first: Mapping[bytes, bytes]) -> bool:
    """
    Does a request say that a proxy has handed it on?

    @param first: lower-case field name to the first value.
    """
    return any(name in first for name in _HOP_FIELDS)


@attrs.frozen(kw_only=True)
class HandedOn:
    """
    What a request says of the proxy that handed it on.

    @ivar claimed: that its client spoke HTTPS?  Nobody has to believe it.
    @ivar may_loop: is there a proxy that does not say that its client spoke plain HTTP?
    @ivar client: the client as that proxy names it; a hint only.
    """

    claimed: bool
    may_loop: bool
    client: bytes

    @classmethod
    def of(cls, first: Mapping[bytes, bytes]) -> HandedOn:
        """
        What the fields say.

        @param first: lower-case field name to the first value.
        """
        claimed = _claims_https(first)
        return cls(
            claimed=claimed,
            may_loop=claimed or (b"x-forwarded-proto" not in first and _is_forwarded(first)),
            client=first.get(b"x-forwarded-for", b"").partition(b",")[0],
        )


class LoopDetector:
    """
    Counts redirects of the same target to the same client, and suspends the redirect for a peer that loops.

    Only a peer that shows itself to be a proxy is counted: any other client that asks again has merely not followed.
    One that claims HTTPS without being believed is a loop after C{times}; one that says nothing of the scheme could
    forward for somebody who polls, so that it takes C{times_unclaimed}, which a browser's twenty redirects still reach.

    The connections of one client spread over all processes.  Each process has a detector that tells what it sees to the
    one of the supervisor, which counts for all and has its findings suspended everywhere (L{suspend}).
    """

    def __init__(
        self,
        *,
        times: int = 3,
        times_unclaimed: int = 12,
        within: float = 10.0,
        suspended_for: float = 600.0,
        max_rows: int = 1000,
        tell: Callable[[Sighting], None] | None = None,
        max_told: int = 100,
    ) -> None:
        """
        @param times: redirects that are a loop.  Small, since a browser gives up after twenty.
        @param times_unclaimed: the same, of a peer that does not claim HTTPS.
        @param within: seconds.
        @param suspended_for: seconds.
        @param max_rows: remembered at most, of targets and of peers; the oldest are forgotten.
        @param tell: called with each redirect that counts, for whoever counts for several.
        @param max_told: in one second, at most; what is beyond counts here only.
        """
        self._times = times
        self._times_unclaimed = times_unclaimed
        self._within = within
        self._suspended_for = suspended_for
        self._max_rows = max_rows
        self._tell = tell
        self._max_told = max_told
        self._told_in = 0
        self._told = 0
        self._seen: OrderedDict[tuple[str, str, bytes, bytes], tuple[float, int]] = OrderedDict()
        # Site and peer to when it ends, and whether the peer claims HTTPS and is trusted.
        self._suspended: OrderedDict[tuple[str, str], tuple[float, bool, bool]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<LoopDetector: {len(self._seen)} redirects, {len(self._suspended)} peers suspended>"

    def is_suspended(self, site: str, peer: str, now: float) -> bool:
        """
        Is the site's redirect suspended for this peer?
        """
        suspended = self._suspended.get((site, peer)) if self._suspended else None
        if suspended is None:
            return False
        if now >= suspended[0]:
            del self._suspended[site, peer]
            return False
        return True

    def note(
        self, site: str, peer: str, client: bytes, target: bytes, now: float, *, claimed: bool, trusted: bool = False
    ) -> bool:
        """
        A proxy's request is about to be redirected.

        @param peer: the immediate peer.
        @param client: the client as far as the peer names it; a hint only.
        @param now: seconds.
        @param claimed: does the peer claim that its client spoke HTTPS?
        @param trusted: is the peer one of the site's C{trusted_peers}, and yet does not say it in the way that counts?

        @return: is the redirect suspended for the peer, this request included?
        """
        if self.is_suspended(site, peer, now):
            return True
        client, target = client[:64], target[:512]
        if self._tell is not None and self._may_tell(int(now)):
            self._tell((site, peer, client, target, now, claimed, trusted))
        key = (site, peer, client, target)
        since, count = self._seen.pop(key, (now, 0))
        if now - since > self._within:
            since, count = now, 0
        count += 1
        if count >= (self._times if claimed else self._times_unclaimed):
            self._suspend(site, peer, (now + self._suspended_for, claimed, trusted))
            return True
        self._seen[key] = (since, count)
        while len(self._seen) > self._max_rows:
            self._seen.popitem(last=False)
        return False

    def _may_tell(self, second: int) -> bool:
        if second != self._told_in:
            self._told_in, self._told = second, 0
        self._told += 1
        return self._told <= self._max_told

    def suspend(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """
        Suspend the redirect for peers that another detector has found.

        @param rows: of its L{rows}.
        """
        for row in rows:
            self._suspend(row["site"], row["peer"], (row["until"], row["claimed"], row["trusted"]))

    def _suspend(self, site: str, peer: str, how: tuple[float, bool, bool]) -> None:
        self._suspended[site, peer] = how
        while len(self._suspended) > self._max_rows:
            self._suspended.popitem(last=False)

    def rows(self, now: float) -> tuple[dict[str, Any], ...]:
        """
        Each peer that loops, as plain values; see L{loop_findings}.
        """
        return tuple(
            {"kind": "loop", "site": site, "peer": peer, "until": until, "claimed": claimed, "trusted": trusted}
            for (site, peer), (until, claimed, trusted) in self._suspended.items()
            if now < until
        )


def loop_findings(rows: Iterable[Mapping[str, Any]], pointers: Mapping[str, str]) -> list[Finding]:
    """
    What to tell the administrator: each peer that loops, with the setting that ends it.

    @param rows: of all processes; others than those of L{LoopDetector.rows} are passed over.
    @param pointers: site to its JSON pointer in the settings document.
    """
    looping = {(row["site"], row["peer"]): row for row in rows if row.get("kind") == "loop"}
    return [
        Finding(
            "redirect-loop",
            Severity.WARNING,
            f"{peer or 'Whoever connects through the UNIX socket'} terminates TLS and forwards in clear, so redirects to "
            f"HTTPS loop; the redirect of site {site} is suspended for it. {_remedy(peer, row)}",
            f"{pointers[site]}/trusted_peers" if site in pointers else "",
        )
        for (site, peer), row in looping.items()
    ]


def _remedy(peer: str, row: Mapping[str, Any]) -> str:
    if not peer:
        return "Let it connect to a binding with an IP address, which trusted_peers can name."
    if row["trusted"]:
        return "It is one of the trusted_peers, but must also send X-Forwarded-Proto: https."
    if row["claimed"]:
        return f'Add "{peer}" to the trusted_peers of the site.'
    return f'Let it send X-Forwarded-Proto: https, and add "{peer}" to the trusted_peers of the site.'
