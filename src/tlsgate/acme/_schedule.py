"""
What happens by itself: once a minute the clock is looked at, and what is due is renewed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from ..certificates import timestamp
from ..problems import Finding, Problem
from ..settings import StoredCertificate
from ._ca import CA
from ._client import Clients, InThread
from ._fulfilment import OrderTerms
from ._problems import OrderFailed, OrderProblem
from ._renewal import REHEARSE_AFTER, Renewals

__all__ = ["Schedule"]

#: Seconds between looks at the clock.
TICK: Final = 60.0


@attrs.define(kw_only=True)
class Schedule:
    """
    Looks after the certificates that were ordered here.

    @ivar renewable: these certificates, by name.
    @ivar is_busy: does an order for the certificate of this name run?
    @ivar renew: begins the renewal of the certificate of this name; rehearsed first if so.
    """

    _log = Logger()

    reactor: Any
    in_thread: InThread
    wall: Callable[[], float]
    settings: Callable[[], Any]
    clients: Clients
    renewals: Renewals
    renewable: Callable[[], Mapping[str, StoredCertificate]]
    is_busy: Callable[[str], bool]
    renew: Callable[[str, bool], Awaitable[object]]
    _timer: Any = None
    _looking: Deferred[None] | None = None
    _stopping: bool = False

    async def start(self) -> None:
        """
        Read what earlier runs knew, and look at the clock from now on.
        """
        await self.in_thread(self.renewals.load)
        self._timer = self.reactor.callLater(0, self._tick)

    def stop(self) -> list[Deferred[None]]:
        """
        Look no more.

        @return: what still runs.
        """
        self._stopping = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._looking is None:
            return []
        looking = self._looking
        looking.cancel()
        return [looking]

    def _tick(self) -> None:
        self._timer = None
        self._looking = Deferred.fromCoroutine(self.look())
        self._looking.addErrback(self._failed)
        self._looking.addBoth(self._ended)

    def _failed(self, failure: Any) -> None:
        if not failure.check(CancelledError):
            self._log.failure("renewals could not be looked at", failure=failure)

    def _ended(self, result: object) -> None:
        self._looking = None
        if not self._stopping:
            self._timer = self.reactor.callLater(TICK, self._tick)

    async def look(self) -> None:
        """
        Ask CAs for their windows where it is time, and begin the renewals that are due.
        """
        renewable = self.renewable()
        self.renewals.keep_only(renewable)
        for name, stored in renewable.items():
            certificate, now = stored.certificate, self.wall()
            known = self.renewals.of(name, certificate)
            # RFC 9773 section 4.3: not after the certificate has ended.
            if known.wants_window(now) and now < certificate.not_after:
                await self._ask_window(name, stored)
                known = self.renewals.of(name, certificate)
            if self.is_busy(name) or not known.is_due(stored, self.settings().renew_before, now):
                continue
            try:
                await self.renew(name, known.failures >= REHEARSE_AFTER)
            except Problem as problem:
                self._log.error("certificate {name} is not renewed: {reason}", name=name, reason=problem.detail)

    async def _ask_window(self, name: str, stored: StoredCertificate) -> None:
        window = None
        directory = stored.details.get("directory", "")
        if directory:
            terms = OrderTerms("", False)
            try:
                opened = self.clients.open(directory, terms, ca_file=self.settings().ca_file, register=False)
                async with opened as client:
                    if client.entry.renewal_info:
                        window = await client.call(CA.window_of, stored.certificate.chain)
            except OrderFailed as failed:
                self._log.info(
                    "the CA did not say when to renew {name}: {reason}", name=name, reason=failed.problem.said
                )
        self.renewals.told(name, stored.certificate, window, self.wall())
        await self._save()

    async def failed(self, name: str, problem: OrderProblem) -> None:
        """
        The renewal of a certificate failed.
        """
        stored = self.renewable().get(name)
        if stored is not None:
            self.renewals.failed(name, stored.certificate, problem, self.wall())
            await self._save()

    async def _save(self) -> None:
        try:
            await self.in_thread(self.renewals.save, self.renewals.content())
        except OSError as error:
            self._log.error("what is known about renewals cannot be saved: {reason}", reason=error.strerror)

    def rows(self) -> list[dict[str, Any]]:
        """
        When each certificate is to be renewed, and how that goes, as the admin API shows it.
        """
        rows = []
        for name, stored in self.renewable().items():
            known = self.renewals.of(name, stored.certificate)
            rows.append(
                {
                    "name": name,
                    "directory": stored.details.get("directory", ""),
                    "renew_at": timestamp(known.due_at(stored.certificate, self.settings().renew_before)),
                    "window": [timestamp(at) for at in known.window] if known.window is not None else None,
                    "explanation": known.explanation,
                    "failures": known.failures,
                    "retry_at": timestamp(known.retry_at) if known.failures else None,
                    "code": known.code,
                    "detail": known.said,
                }
            )
        return rows

    def failures(self) -> dict[str, int]:
        """
        Renewals of each certificate that failed since one succeeded.
        """
        return {name: self.renewals.of(name, stored.certificate).failures for name, stored in self.renewable().items()}

    def failing(self) -> list[str]:
        """
        Names of certificates whose latest renewal failed.
        """
        return [name for name, failures in self.failures().items() if failures]

    def findings(self) -> list[Finding]:
        """
        Renewals that fail.
        """
        certificates = {name: stored.certificate for name, stored in self.renewable().items()}
        return self.renewals.findings(certificates, self.wall())
