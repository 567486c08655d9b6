"""
Redirects that lead back to themselves, because somebody in front terminates TLS and asks again in clear.
"""

from __future__ import annotations

from collections import OrderedDict

from ..problems import Finding, Severity

__all__ = ["LoopDetector"]


class LoopDetector:
    """
    Counts redirects of the same target to the same client, and suspends the redirect for a peer that loops.

    Only a peer that claims C{X-Forwarded-Proto: https} without being trusted is counted: any other client that
    asks again has merely not followed.
    """

    def __init__(
        self, *, times: int = 4, within: float = 10.0, suspended_for: float = 600.0, max_rows: int = 1000
    ) -> None:
        """
        @param times: redirects that are a loop.
        @param within: seconds.
        @param suspended_for: seconds.
        @param max_rows: remembered at most, of targets and of peers; the oldest are forgotten.
        """
        self._times = times
        self._within = within
        self._suspended_for = suspended_for
        self._max_rows = max_rows
        self._seen: OrderedDict[tuple[str, str, bytes], tuple[float, int]] = OrderedDict()
        self._suspended: OrderedDict[str, float] = OrderedDict()

    def is_suspended(self, peer: str, now: float) -> bool:
        """
        Is the redirect suspended for this peer?
        """
        until = self._suspended.get(peer) if self._suspended else None
        if until is None:
            return False
        if now >= until:
            del self._suspended[peer]
            return False
        return True

    def note(self, peer: str, client: str, target: bytes, claims_https: bool, now: float) -> bool:
        """
        A request is about to be redirected.

        @param peer: the immediate peer.
        @param client: the client as far as the peer names it; a hint only.
        @param claims_https: did the peer send C{X-Forwarded-Proto: https} untrusted?
        @param now: seconds.

        @return: is the redirect suspended for the peer, this request included?
        """
        if self.is_suspended(peer, now):
            return True
        if not claims_https:
            return False
        key = (peer, client[:64], target[:512])
        since, count = self._seen.pop(key, (now, 0))
        if now - since > self._within:
            since, count = now, 0
        count += 1
        if count >= self._times:
            self._suspended[peer] = now + self._suspended_for
            while len(self._suspended) > self._max_rows:
                self._suspended.popitem(last=False)
            return True
        self._seen[key] = (since, count)
        while len(self._seen) > self._max_rows:
            self._seen.popitem(last=False)
        return False

    def findings(self, now: float) -> list[Finding]:
        """
        What to tell the administrator: each peer that loops, with the setting that ends it.
        """
        return [
            Finding(
                "redirect-loop",
                Severity.WARNING,
                f"{peer} terminates TLS and forwards in clear, so redirects to HTTPS loop; the redirect is suspended "
                f'for it. Add "{peer}" to the trusted_peers of the site.',
            )
            for peer, until in self._suspended.items()
            if now < until
        ]
