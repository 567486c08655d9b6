"""
Who is told: webhook and mail, each for itself, until it has taken what it was sent.

What each was told is kept in C{STATE/alerts.json}, so that a restart neither repeats nor forgets; what was not taken is
sent again, later each time, with what has come up meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ..certificates import timestamp
from ..problems import Finding, Severity
from ._alert import Alert, Told, alerts_of, due
from ._mail import MailServer, letter, send
from ._webhook import DeliveryFailed, post

if TYPE_CHECKING:
    from ..changes import Changes

__all__ = ["Alerts", "make_alerts"]

#: Seconds between rounds.
INTERVAL: Final = 60.0

#: Seconds after a change until the next round.
AFTER_CHANGE: Final = 2.0

#: Seconds until a way that failed is tried again, the first time and at most.
RETRY: Final = 60.0
LONGEST_RETRY: Final = 3600.0

Deliver = Callable[[Any, list[Alert]], Awaitable[None]]


@attrs.define
class _Way:
    """
    One way to tell somebody.

    @ivar deliver: given the settings of alerts and what to tell.
    @ivar told: by subject.
    """

    name: str
    is_set: Callable[[Any], bool]
    deliver: Deliver
    told: dict[str, Told] = attrs.field(factory=dict)
    next: float = 0.0
    failures: int = 0
    fault: str = ""


class Alerts:
    """
    Tells people what is wrong with what is served, or will be.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        file: Path,
        findings: Callable[[], Iterable[Finding]],
        wall: Callable[[], float],
        webhook: Deliver,
        mail: Deliver,
    ) -> None:
        """
        @param file: keeps what was told.
        @param findings: about what is served now.
        @param wall: Unix time.
        @param webhook: and C{mail}: given the settings of alerts and what to tell.
        """
        self._file = file
        self._findings = findings
        self._wall = wall
        self._ways = (
            _Way("webhook", lambda settings: bool(settings.webhook), webhook),
            _Way("mail", lambda settings: bool(settings.mail_to and settings.smtp), mail),
        )
        self._loop: LoopingCall | None = None
        self._after: Any = None
        self._running = False
        self._load()

    def __repr__(self) -> str:
        return "<Alerts " + ", ".join(f"{way.name}: {len(way.told)} told" for way in self._ways) + ">"

    def start(self, changes: Changes, clock: Any) -> None:
        """
        Begin to tell.
        """
        self._loop = LoopingCall(self._begin_round, changes)
        self._loop.clock = clock
        self._loop.start(INTERVAL, now=False)
        changes.subscribe(lambda _: self._soon(changes, clock))
        self._soon(changes, clock)

    def _soon(self, changes: Changes, clock: Any) -> None:
        # What is served has been looked at by then.
        if self._after is None or not self._after.active():
            self._after = clock.callLater(AFTER_CHANGE, self._begin_round, changes)

    def stop(self) -> None:
        """
        Tell no more.
        """
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        if self._after is not None and self._after.active():
            self._after.cancel()

    def _begin_round(self, changes: Changes) -> None:
        running = Deferred.fromCoroutine(self.round(changes))
        running.addErrback(lambda failure: self._log.failure("Alerts could not be sent", failure))

    async def round(self, changes: Changes) -> None:
        """
        Tell what is due, each way for itself.
        """
        settings = changes.effective.alerts
        if self._running or not any(way.is_set(settings) for way in self._ways):
            return
        self._running = True
        try:
            now = self._wall()
            alerts = alerts_of(changes.snapshot.certificates, self._findings(), settings.days, now)
            subjects = {alert.subject for alert in alerts}
            before = [dict(way.told) for way in self._ways]
            for way in self._ways:
                # What is well again is news when it breaks again; not within the day, in case it comes and goes.
                for subject in [each for each in way.told if each not in subjects and now - way.told[each].at > 86400]:
                    del way.told[subject]
                if way.is_set(settings) and way.next <= now:
                    await self._tell(way, settings, due(alerts, way.told, now))
            if before != [way.told for way in self._ways]:
                self._save()
        finally:
            self._running = False

    async def _tell(self, way: _Way, settings: Any, alerts: list[Alert]) -> None:
        if not alerts:
            way.failures, way.fault = 0, ""
            return
        now = self._wall()
        try:
            await way.deliver(settings, alerts)
        except (DeliveryFailed, ValueError) as error:
            way.failures += 1
            way.fault = str(error)
            way.next = now + min(RETRY * 2 ** (way.failures - 1), LONGEST_RETRY)
            self._log.error("Alerts by {way} failed: {why}", way=way.name, why=way.fault)
            return
        way.failures, way.fault, way.next = 0, "", 0.0
        way.told.update({alert.subject: Told(now, alert.level) for alert in alerts})
        self._log.info("{count} alerts were sent by {way}", count=len(alerts), way=way.name)

    def findings(self) -> Iterator[Finding]:
        """
        What is wrong with the ways.
        """
        for way in self._ways:
            if way.fault:
                yield Finding(
                    "alert-failed",
                    Severity.WARNING,
                    f"Alerts by {way.name} fail: {way.fault}. The next try is at {timestamp(way.next)}.",
                    "/alerts",
                )

    def _load(self) -> None:
        try:
            kept = json.loads(self._file.read_bytes())
            for way in self._ways:
                way.told = {subject: Told(at, level) for subject, (at, level) in kept.get(way.name, {}).items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError) as error:
            self._log.warn(
                "{file} cannot be read, so alerts may be repeated: {why}", file=str(self._file), why=str(error)
            )

    def _save(self) -> None:
        kept = {way.name: {subject: [told.at, told.level] for subject, told in way.told.items()} for way in self._ways}
        new = self._file.with_name(f".{self._file.name}.new")
        try:
            new.write_text(json.dumps(kept), encoding="utf-8")
            new.chmod(0o600)
            new.replace(self._file)
        except OSError as error:
            self._log.warn("What was told is not kept: {why}", why=str(error))


def make_alerts(
    reactor: Any, *, state: Path, gate: str, findings: Callable[[], Iterable[Finding]], wall: Callable[[], float]
) -> Alerts:
    """
    Put it together.

    @param state: the state folder.
    @param gate: the name of this gate, for whoever has several.
    """

    async def by_webhook(settings: Any, alerts: list[Alert]) -> None:
        document = _document(gate, alerts, wall())
        await post(reactor, settings.webhook.resolve(), settings.webhook_secret.resolve(), document, wall())

    async def by_mail(settings: Any, alerts: list[Alert]) -> None:
        host, _, port = settings.smtp.rpartition(":")
        server = MailServer(
            host=host, port=int(port), user=settings.smtp_user, password=settings.smtp_password.resolve()
        )
        sender = settings.mail_from or f"tlsgate@{gate}"
        message = letter(alerts, sender=sender, receivers=settings.mail_to, gate=gate, now=wall())
        await send(reactor, server, sender, settings.mail_to, message)

    return Alerts(file=state / "alerts.json", findings=findings, wall=wall, webhook=by_webhook, mail=by_mail)


def _document(gate: str, alerts: list[Alert], now: float) -> Mapping[str, Any]:
    return {"gate": gate, "time": timestamp(now), "alerts": [alert.as_json() for alert in alerts]}
