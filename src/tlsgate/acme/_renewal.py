"""
When to renew, and when to try again after a failure; kept in a file so that a restart does not forget either.

The time is the CA's window where it has one (RFC 9773), else when a third of the life is left.  All times are those of
the wall clock and are looked at anew each minute, so that a clock that jumps is believed, whichever way it went, and a
wait that has become impossibly long is cut to what it was meant to be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

from ..certificates import timestamp
from ..problems import Finding, Severity
from ..settings import StoredCertificate, write_private
from ..sites import ServerCertificate
from ._files import private_folder, read_json
from ._problems import OrderProblem
from ._values import Window

__all__ = ["ASK_AGAIN", "Renewal", "Renewals", "backoff"]

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86400.0

#: Seconds after which a CA that does not say otherwise is asked for its window again (RFC 9773 section 4.3.3).
ASK_AGAIN: Final = 6 * 3600.0

#: Failures after which an order is rehearsed before the real CA is asked.
REHEARSE_AFTER: Final = 2


def backoff(failures: int) -> float:
    """
    Seconds to wait after so many failures in a row: a minute, doubled each time, at most a day.
    """
    return min(MINUTE * 2.0 ** min(failures - 1, 20), DAY)


@attrs.frozen(kw_only=True)
class Renewal:
    """
    What is known about renewing one certificate.

    @ivar fingerprint: of the certificate that this is about; another one begins anew.
    @ivar window: first and last moment that the CA suggested, Unix times; C{None} if it does not.
    @ivar chosen: the moment within it that was drawn.
    @ivar ask_at: when to ask the CA again.
    @ivar failures: in a row.
    @ivar retry_at: not before, Unix time.
    @ivar said: the latest failure, as a sentence.
    """

    fingerprint: str
    window: tuple[float, float] | None = None
    chosen: float = 0.0
    ask_at: float = 0.0
    explanation: str = ""
    failures: int = 0
    retry_at: float = 0.0
    code: str = ""
    said: str = ""

    def due_at(self, certificate: ServerCertificate, renew_before: float) -> float:
        """
        When the certificate is to be renewed, failures aside.

        @param renew_before: seconds before its end; 0 for the CA's window or a third of the life.
        """
        if renew_before:
            return certificate.not_after - renew_before
        if self.window is not None:
            return min(self.chosen, certificate.not_after)
        return certificate.not_after - (certificate.not_after - certificate.not_before) / 3

    def is_due(self, stored: StoredCertificate, renew_before: float, now: float) -> bool:
        """
        Is it time for an attempt?  Not for a certificate that has only just come: one that is due as it comes (a wrong
        clock, a C{renew_before} beyond its life) would be renewed without end.
        """
        certificate = stored.certificate
        if now < self.due_at(certificate, renew_before):
            return False
        spacing = HOUR if self.window is not None else min(DAY, (certificate.not_after - certificate.not_before) / 3)
        if 0 <= now - stored.added_at < spacing:
            return False
        # A wait longer than any back-off means that the clock was set back since.
        return not self.failures or now >= self.retry_at or self.retry_at - now > 2 * DAY

    def wants_window(self, now: float) -> bool:
        """
        Should the CA be asked for its window?
        """
        return now >= self.ask_at or self.ask_at - now > 2 * DAY


class Renewals:
    """
    What is known about renewing all certificates.  L{load} and L{save} block.
    """

    def __init__(self, path: Path, random: Random) -> None:
        self._path = path
        self._random = random
        self._rows: dict[str, Renewal] = {}

    def load(self) -> None:
        """
        Read what earlier runs knew; what is damaged is found out again.
        """
        self._rows = {}
        for name, row in (read_json(self._path) or {}).items():
            try:
                window = row["window"]
                self._rows[name] = Renewal(**{**row, "window": None if window is None else (window[0], window[1])})
            except (TypeError, KeyError, IndexError):
                continue

    def save(self, content: bytes) -> None:
        """
        @raise OSError: what was saved before stands.
        """
        private_folder(self._path.parent)
        write_private(self._path, content)

    def content(self) -> bytes:
        """
        All of it, as its file holds it.
        """
        return json.dumps({name: attrs.asdict(row) for name, row in self._rows.items()}).encode()

    def of(self, name: str, certificate: ServerCertificate) -> Renewal:
        """
        What is known about a certificate.
        """
        row = self._rows.get(name)
        if row is None or row.fingerprint != certificate.fingerprint:
            row = self._rows[name] = Renewal(fingerprint=certificate.fingerprint)
        return row

    def keep_only(self, names: Mapping[str, Any]) -> None:
        """
        Forget certificates that are gone.
        """
        self._rows = {name: row for name, row in self._rows.items() if name in names}

    def failed(self, name: str, certificate: ServerCertificate, problem: OrderProblem, now: float) -> None:
        """
        An attempt failed.
        """
        row = self.of(name, certificate)
        failures = row.failures + 1
        wait = max(backoff(failures) * self._random.uniform(0.9, 1.1), min(problem.retry_after, DAY))
        self._rows[name] = attrs.evolve(
            row, failures=failures, retry_at=now + wait, code=problem.code, said=problem.sentence
        )

    def told(self, name: str, certificate: ServerCertificate, window: Window | None, now: float) -> None:
        """
        The CA was asked for its window.  A moment in it is drawn once and kept while the window stays.

        @param window: C{None} if it has none, or could not be asked.
        """
        row = self.of(name, certificate)
        if window is None or window.end <= window.start:
            self._rows[name] = attrs.evolve(row, ask_at=now + ASK_AGAIN)
            return
        bounds = (window.start, window.end)
        chosen = row.chosen if row.window == bounds else self._random.uniform(*bounds)
        # RFC 9773 section 4.3.2: a client sets limits of its own to how often it asks.
        ask_at = now + min(max(window.retry_after or ASK_AGAIN, MINUTE), DAY)
        self._rows[name] = attrs.evolve(
            row, window=bounds, chosen=chosen, ask_at=ask_at, explanation=window.explanation
        )

    def findings(self, certificates: Mapping[str, ServerCertificate], now: float) -> list[Finding]:
        """
        Renewals that fail: said by itself, long before anything expires.
        """
        found = []
        for name, certificate in certificates.items():
            row = self._rows.get(name)
            if row is None or not row.failures or row.fingerprint != certificate.fingerprint:
                continue
            left = certificate.not_after - now
            life = certificate.not_after - certificate.not_before
            times = "once" if row.failures == 1 else f"{row.failures} times"
            found.append(
                Finding(
                    "renewal-failing",
                    Severity.ERROR if left < life / 6 else Severity.WARNING,
                    f"Certificate {name} could not be renewed ({times}); it ends at {timestamp(certificate.not_after)} "
                    f"and is tried again at {timestamp(row.retry_at)}. {row.said}",
                    f"/certificates/{name}",
                )
            )
        return found
