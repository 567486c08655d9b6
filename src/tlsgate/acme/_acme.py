"""
What can be asked of ACME: order, follow, proceed, cancel, renew, revoke; and what happens by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from threading import Thread
from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from ..changes import Changes
from ..interfaces import IDataPlane
from ..problems import Finding, Problem, Severity
from ..settings import StoredCertificate
from ._accounts import Account, Accounts
from ._budget import LIMITS, Budget, Limits
from ._challenges import Challenges
from ._client import Clients, InThread
from ._dns import server_of
from ._fulfilment import Fulfilment, OrderTerms, Slots
from ._issuance import Issuance
from ._order import Order, OrderFiles, OrderRequest
from ._orders import Orders, Publish
from ._preflight import Preflight
from ._problems import OrderFailed, OrderProblem
from ._renewal import Renewals
from ._requests import checked, repeated
from ._schedule import Schedule
from ._temporary import TemporaryListener

__all__ = ["REASONS", "Acme", "make_acme"]

#: Threads for requests to CAs and programs; each order makes one at a time.
THREADS: Final = 16

#: Seconds that orders get to put things away when the gate stops.
STOP_TIMEOUT: Final = 5.0

#: RFC 5280 section 5.3.1, those that a subscriber may give.
REASONS: Final[Mapping[str, int]] = {
    "unspecified": 0,
    "keyCompromise": 1,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
}


def make_acme(
    *,
    reactor: Any,
    changes: Changes,
    data_plane: IDataPlane,
    state: Path,
    publish: Publish,
    wall: Callable[[], float] = time.time,
    random: Random | None = None,
    limits: Mapping[str, Limits] = LIMITS,
    patience: float = 120.0,
) -> Acme:
    """
    Put ACME together; it does nothing before L{Acme.start}.

    @param changes: started by then; its effective settings hold the C{[acme]} table.
    @param state: the state folder; C{acme} in it is made when it is needed.
    @param publish: told of every step of every order, as an event of kind C{order}.
    @param wall: Unix time.
    @param limits: the CAs' rate limits, by host.
    @param patience: seconds for which a CA that does not answer is asked again, before the order fails.
    """
    return Acme(
        reactor=reactor,
        changes=changes,
        data_plane=data_plane,
        folder=state / "acme",
        publish=publish,
        wall=wall,
        random=random or SystemRandom(),
        limits=limits,
        patience=patience,
    )


class Acme:
    """
    The ACME room of a running gate.  All methods are called from the reactor's thread.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        changes: Changes,
        data_plane: IDataPlane,
        folder: Path,
        publish: Publish,
        wall: Callable[[], float],
        random: Random,
        limits: Mapping[str, Limits],
        patience: float,
    ) -> None:
        self._reactor = reactor
        self._changes = changes
        self._wall = wall
        self._pool = ThreadPool(0, THREADS, name="acme")
        # A CA that does not answer must not hold up the end of the process.
        factory: Any = partial(Thread, daemon=True)
        self._pool.threadFactory = factory
        in_thread: InThread = partial(deferToThreadPool, reactor, self._pool)
        self._in_thread = in_thread
        self._orders = Orders(
            reactor=reactor,
            files=OrderFiles(folder / "orders"),
            in_thread=in_thread,
            wall=wall,
            publish=publish,
            run=self._fulfil,
            on_hold=self._on_hold,
            renewal_failed=self._renewal_failed,
        )
        self._accounts = Accounts(folder / "accounts")
        self._clients = Clients(self._accounts, reactor, in_thread, patience)
        self._budget = Budget(folder / "record.json", limits)
        self._challenges = Challenges(
            data_plane=data_plane,
            snapshot=lambda: changes.snapshot,
            settings=self._settings,
            listener=TemporaryListener(reactor),
            hooks=folder / "hooks",
            in_thread=in_thread,
            wall=wall,
        )
        self._preflight = Preflight(reactor, in_thread, self._challenges, self._resolver, self._port)
        self._slots = Slots(lambda: self._settings().parallel_orders)
        self._fulfilment = Fulfilment(
            clock=reactor,
            in_thread=in_thread,
            wall=wall,
            settings=self._settings,
            changes=changes,
            clients=self._clients,
            issuance=Issuance(reactor, in_thread, self._challenges, self._orders.note, self._orders.hold),
            preflight=self._preflight,
            budget=self._budget,
            slots=self._slots,
            note=self._orders.note,
        )
        self._schedule = Schedule(
            reactor=reactor,
            in_thread=in_thread,
            wall=wall,
            settings=self._settings,
            clients=self._clients,
            renewals=Renewals(folder / "renewals.json", random),
            renewable=self._renewable,
            is_busy=lambda name: bool(self._orders.running_for(name)),
            renew=self._renew_by_itself,
        )

    def _settings(self) -> Any:
        return self._changes.effective.acme

    def _resolver(self) -> tuple[str, int] | None:
        return server_of(self._settings().dns_resolver)

    def _port(self) -> int:
        port: int = self._settings().http_01_port
        return port

    # What orders need, which need them to tell what happened.

    async def _fulfil(self, order: Order) -> None:
        await self._fulfilment.run(order)

    async def _on_hold(self, order: Order, proceed: Deferred[None]) -> None:
        await self._fulfilment.on_hold(order, proceed)

    async def _renewal_failed(self, name: str, problem: OrderProblem) -> None:
        await self._schedule.failed(name, problem)

    # -- life

    async def start(self) -> None:
        """
        Take up the orders that were interrupted, and watch over what is to be renewed.
        """
        self._pool.start()
        await self._in_thread(self._budget.load)
        await self._orders.load()
        await self._schedule.start()

    async def stop(self) -> None:
        """
        Leave running orders where they are, to be taken up again; one that changes what serves ends first.
        """
        ended = DeferredList([*self._schedule.stop(), *self._orders.stop()], consumeErrors=True)
        limit = self._reactor.callLater(STOP_TIMEOUT, ended.cancel)
        try:
            await ended
        except CancelledError:
            pass
        if limit.active():
            limit.cancel()
        if not self._pool.working:
            self._pool.stop()

    # -- what is asked

    async def preflight(self, request: OrderRequest) -> list[Finding]:
        """
        What an order would meet, without making it; an error is what it would fail of.

        @raise Problem: the request is not possible.
        """
        request = self._checked(request)
        order = Order.new(request, author="", directory=self._settings().directory, now=self._wall())
        found = list(self._budget.findings(order.directory, request.names, self._wall()))
        identities: tuple[str, ...] = ()
        try:
            terms = self._fulfilment.terms(order)
            opened = self._clients.open(
                order.directory, terms, ca_file=self._settings().ca_file, register=False, patience=0
            )
            async with opened as client:
                identities = client.entry.caa_identities
                if not client.account.url and not terms.agreed:
                    raise OrderFailed(OrderProblem.of("terms-not-agreed", instance=client.entry.terms))
        except OrderFailed as failed:
            said = f" ({failed.problem.said})" if failed.problem.said else ""
            found.append(Finding(failed.problem.code, Severity.ERROR, f"{failed.problem.sentence}{said}"))
        found += await self._preflight.findings(request.names, challenge=request.challenge, identities=identities)
        return found

    async def order(self, request: OrderRequest, *, author: str) -> Order:
        """
        Begin an order.

        @return: it goes on by itself.

        @raise Problem: C{in-use}: one for this certificate runs already; C{parameter-invalid}; C{terms-not-agreed};
            C{storage-failed}.
        """
        request = self._checked(request)
        settings = self._settings()
        if not (request.agree_terms or settings.agree_terms):
            account: Account = await self._in_thread(self._accounts.load, settings.directory)
            if not account.url:
                raise Problem(
                    "terms-not-agreed",
                    "The CA's terms of service must be agreed to before the first order: read them, and order with "
                    "agree_terms or set acme.agree_terms.",
                )
        return await self._begin(request, author)

    async def renew(self, name: str, *, author: str) -> Order:
        """
        Renew a certificate now.

        @raise Problem: as L{order}; C{not-found}.
        """
        return await self._begin(self._again(name), author)

    async def revoke(self, name: str, *, author: str, reason: str = "keyCompromise") -> Order:
        """
        Replace a certificate by one with a new key, and revoke it then.

        @param reason: one of C{unspecified}, C{keyCompromise}, C{affiliationChanged}, C{superseded},
            C{cessationOfOperation}.

        @raise Problem: as L{order}; C{not-found}.
        """
        if reason not in REASONS:
            raise Problem("parameter-invalid", f"The reason is one of {', '.join(REASONS)}.")
        return await self._begin(attrs.evolve(self._again(name), revoke=REASONS[reason]), author)

    def find(self, order_id: str) -> Order:
        """
        @raise Problem: C{not-found}.
        """
        return self._orders.find(order_id)

    def orders(self) -> list[Order]:
        """
        All orders that are remembered, newest first: those that run, and the history.
        """
        return self._orders.all()

    async def proceed(self, order_id: str) -> Order:
        """
        Let the CA look at what was put in place by hand.

        @raise Problem: C{not-found}; C{in-use}: the order does not wait for that.
        """
        return self._orders.proceed(order_id)

    async def cancel(self, order_id: str) -> Order:
        """
        Give an order up.

        @raise Problem: C{not-found}; C{in-use}: it has ended, or its certificate is being put in force.
        """
        return self._orders.cancel(order_id)

    async def roll_over(self) -> Account:
        """
        Give the account a new key.

        @raise Problem: C{not-found}: there is no account.
        @raise OrderFailed: the CA did not take it.
        """
        settings = self._settings()
        if all(account.directory != settings.directory for account in await self.accounts()):
            raise Problem("not-found", "There is no account at the CA yet; the first order makes one.")
        terms = OrderTerms(settings.email, settings.agree_terms)
        return await self._clients.roll_over(settings.directory, terms, ca_file=settings.ca_file)

    async def accounts(self) -> list[Account]:
        """
        The accounts that are registered.
        """
        found: list[Account] = await self._in_thread(self._accounts.all)
        return found

    def renewals(self) -> list[dict[str, Any]]:
        """
        When each certificate is to be renewed, and how that goes.
        """
        return self._schedule.rows()

    def failing_renewals(self) -> list[str]:
        """
        Names of certificates whose latest renewal failed: what holds HSTS ramps.
        """
        return self._schedule.failing()

    def results(self) -> Mapping[str, int]:
        """
        Orders that ended, since the start: C{valid}, C{invalid}, C{cancelled}.
        """
        return self._orders.results()

    def failures(self) -> Mapping[str, int]:
        """
        Attempts to renew each certificate that failed since one succeeded.
        """
        return self._schedule.failures()

    def findings(self) -> Iterable[Finding]:
        """
        Renewals that fail.
        """
        return self._schedule.findings()

    # -- beginning

    def _checked(self, request: OrderRequest) -> OrderRequest:
        effective = self._changes.effective
        return checked(request, effective.acme, {entry.name for entry in effective.certificates})

    def _renewable(self) -> dict[str, StoredCertificate]:
        return {name: stored for name, stored in self._changes.current.certificates.items() if stored.source == "acme"}

    def _again(self, name: str) -> OrderRequest:
        """
        The order that made a certificate, to be made again.
        """
        stored = self._changes.current.certificates.get(name)
        if stored is None:
            raise Problem("not-found", f"There is no certificate named {name!r}.")
        return self._checked(repeated(name, stored))

    async def _renew_by_itself(self, name: str, rehearse: bool) -> Order:
        staged = rehearse and bool(self._fulfilment.staging())
        return await self._begin(attrs.evolve(self._again(name), staging_first=staged), "gate")

    async def _begin(self, request: OrderRequest, author: str) -> Order:
        other = self._orders.running_for(request.name)
        if other:
            raise Problem(
                "in-use", f"An order for the certificate {request.name!r} runs already: {other}.", order=other
            )
        if not request.renewal and request.challenge == "http-01" and self._challenges.reachable() == "never":
            # Nothing here can ever be reached by the CA's request, so a person must answer it.
            self._challenges.hold_port("look")
            reachable = self._challenges.reachable() != "never"
            await self._challenges.release_port("look")
            request = request if reachable else attrs.evolve(request, manual=True)
        order = Order.new(request, author=author, directory=self._settings().directory, now=self._wall())
        await self._orders.begin(order)
        return order
