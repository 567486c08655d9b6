"""
An order from its place in the queue to its end: preflight, rehearsal, the CA or a second one, inspection, the change.

What serves is touched by exactly one step, the change, and that is made by L{changes} like any other: whole or not at
all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..certificates import inspect, known_issuers, match_signed
from ..changes import ChangeRequest, Changes
from ..problems import Problem, Severity
from ..settings import Draft, StoredCertificate
from ._budget import Budget
from ._ca import CA
from ._client import Client, Clients, InThread
from ._issuance import Issuance
from ._order import Order, OrderState
from ._preflight import Preflight
from ._problems import OrderFailed, OrderProblem

__all__ = ["STAGING", "Fulfilment", "OrderTerms", "Slots"]

#: Let's Encrypt's rehearsal stage, for its directory.
STAGING: Final = {
    "https://acme-v02.api.letsencrypt.org/directory": "https://acme-staging-v02.api.letsencrypt.org/directory"
}

#: Tries of the change, and seconds between them: a worker may just be restarting.
INSTALL_TRIES: Final = 3
INSTALL_PAUSE: Final = 5.0

Note = Callable[[Order, OrderState, str], Awaitable[None]]


@attrs.frozen
class OrderTerms:
    """
    What is said to a CA that does not know us yet.
    """

    email: str
    agreed: bool
    binding: tuple[str, str] | None = attrs.field(default=None, repr=False)


class Slots:
    """
    Places for orders that run at once; who comes first is served first.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._taken = 0
        self._waiting: deque[Deferred[None]] = deque()

    def __repr__(self) -> str:
        return f"<Slots: {self._taken} of {self._limit()} taken, {len(self._waiting)} wait>"

    def take(self) -> Deferred[None]:
        """
        Fires when there is a place, which must be given back.
        """
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        self._serve()
        return waiting

    def give_back(self) -> None:
        """
        The place is free.
        """
        self._taken -= 1
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._taken < self._limit():
            self._taken += 1
            self._waiting.popleft().callback(None)


@attrs.define(kw_only=True)
class Fulfilment:
    """
    @ivar settings: the present C{[acme]} table.
    @ivar note: keeps what happened.
    """

    clock: IReactorTime
    in_thread: InThread
    wall: Callable[[], float]
    settings: Callable[[], Any]
    changes: Changes
    clients: Clients
    issuance: Issuance
    preflight: Preflight
    budget: Budget
    slots: Slots
    note: Note
    _holding: set[str] = attrs.field(factory=set)

    async def run(self, order: Order) -> None:
        """
        Bring an order to its end.

        @raise OrderFailed: it cannot be; nothing that serves was touched, unless it says C{install}ed already.
        """
        await self.slots.take()
        self._holding.add(order.id)
        try:
            if not order.url and not order.request.renewal:
                await self._look_ahead(order)
            if not order.rehearsed and (order.request.staging or order.request.staging_first):
                await self._rehearse(order)
            if order.request.staging:
                await self.note(order, "valid", "The rehearsal succeeded; nothing was stored.")
                return
            chain = await self._order(order)
            await self._install(order, chain)
            if order.request.revoke is not None and order.request.replaces:
                await self._revoke(order)
            await self.note(order, "valid", f"The certificate serves, in generation {order.generation}.")
        finally:
            if order.id in self._holding:
                self._leave_place(order)

    async def on_hold(self, order: Order, proceed: Deferred[None]) -> None:
        """
        Wait for a person, without taking a place from others.
        """
        self._leave_place(order)
        await proceed
        await self.slots.take()
        self._holding.add(order.id)

    def _leave_place(self, order: Order) -> None:
        self._holding.discard(order.id)
        self.slots.give_back()

    # -- before the order

    async def _look_ahead(self, order: Order) -> None:
        """
        @raise OrderFailed: C{preflight}: the CA would refuse it.
        """
        await self.note(order, "preflight", "Looking whether the CA would issue.")
        request = order.request
        async with self._client(order) as client:
            identities = client.entry.caa_identities
        found = [
            *self.budget.findings(order.directory, request.names, self.wall()),
            *await self.preflight.findings(request.names, challenge=request.challenge, identities=identities),
        ]
        order.findings = tuple(finding.as_json() for finding in found)
        for finding in found:
            if finding.severity is Severity.ERROR:
                raise OrderFailed(OrderProblem(code="preflight", sentence=finding.message))

    def staging(self) -> str:
        """
        The directory to rehearse at; empty for none.
        """
        settings = self.settings()
        found: str = settings.staging_directory or STAGING.get(settings.directory, "")
        return found

    async def _rehearse(self, order: Order) -> None:
        directory = order.directory
        staging = self.staging()
        if not staging:
            raise OrderFailed(
                OrderProblem(
                    code="preflight",
                    sentence="There is no staging directory to rehearse at; set acme.staging_directory.",
                )
            )
        order.directory = staging
        try:
            async with self._client(order) as client:
                await self.issuance.obtain(order, client)
        finally:
            if not order.request.staging:
                order.directory = directory
        order.rehearsed = True
        order.begin_anew()
        await self.note(order, "ordering", "The rehearsal succeeded.")

    # -- at the CA

    def _client(self, order: Order) -> Any:
        return self.clients.open(order.directory, self.terms(order), ca_file=self.settings().ca_file)

    def terms(self, order: Order) -> OrderTerms:
        """
        What the order and the settings say to its CA.

        @raise OrderFailed: the HMAC key of an external account binding cannot be read.
        """
        settings, request = self.settings(), order.request
        key_id, key = settings.eab_key_id, settings.eab_hmac_key
        if order.directory == settings.fallback_directory:
            key_id, key = settings.fallback_eab_key_id, settings.fallback_eab_hmac_key
        try:
            binding = (key_id, key.resolve()) if key_id else None
        except ValueError as error:
            raise OrderFailed(OrderProblem.of("externalAccountRequired", said=str(error))) from error
        # Who agreed to a CA's terms agreed to those of its own stage.
        staged = request.renewal and order.directory == self.staging()
        agreed = request.agree_terms or settings.agree_terms or staged
        return OrderTerms(request.email or settings.email, agreed, binding)

    async def _order(self, order: Order) -> bytes:
        """
        Get the certificate at the order's CA, or at the second one if the first has troubles of its own.
        """
        fallback: str = self.settings().fallback_directory
        try:
            return await self._order_once(order)
        except OrderFailed as failed:
            if not failed.problem.is_ca_trouble or not fallback or fallback == order.directory:
                raise
            order.begin_anew()
            order.directory = fallback
            await self.note(order, "ordering", f"{failed.problem.sentence} The second CA is asked instead.")
        return await self._order_once(order)

    async def _order_once(self, order: Order) -> bytes:
        names = order.request.names
        try:
            async with self._client(order) as client:
                if not order.url:
                    await self._noted(order, "order")
                chain = await self._obtain(order, client)
        except OrderFailed as failed:
            proven = [part.name for part in failed.problem.parts or (failed.problem,) if part.name]
            if proven:
                self.budget.note(order.directory, "failed", proven, self.wall())
                await self._save_budget()
            raise
        self.budget.note(order.directory, "issued", names, self.wall())
        await self._save_budget()
        return chain

    async def _obtain(self, order: Order, client: Client) -> bytes:
        try:
            return await self.issuance.obtain(order, client)
        except OrderFailed as failed:
            if failed.problem.code != "accountDoesNotExist":
                raise
        # The CA forgot the account: it is registered again, once.
        await self.clients.forget(client.account)
        order.begin_anew()
        async with self._client(order) as again:
            return await self.issuance.obtain(order, again)

    async def _noted(self, order: Order, what: str) -> None:
        self.budget.note(order.directory, what, order.request.names, self.wall())
        await self._save_budget()

    async def _save_budget(self) -> None:
        try:
            await self.in_thread(self.budget.save, self.budget.content())
        except OSError as error:
            raise OrderFailed(OrderProblem.of("storage", said=str(error))) from error

    # -- here

    async def _install(self, order: Order, chain: bytes) -> None:
        """
        @raise OrderFailed: C{install}; what served before serves.
        """
        await self.note(order, "installing", "Inspecting the certificate and putting it in force.")
        request, now = order.request, self.wall()
        known = known_issuers(stored.certificate for stored in self.changes.current.certificates.values())
        try:
            read = await self.in_thread(_match, order.key, chain, request.name, now, known)
        except Problem as problem:
            raise OrderFailed(OrderProblem.of("install", said=problem.detail)) from problem
        stored = StoredCertificate(
            certificate=read.certificate,
            source="acme",
            added_at=now,
            details={
                "names": list(request.names),
                "challenge": request.challenge,
                "directory": order.directory,
                "key_type": request.key_type,
                "profile": request.profile,
                "preferred_chain": request.preferred_chain,
            },
        )
        outcome = await self._change(order, stored)
        order.generation, order.fingerprint = outcome.generation, read.certificate.fingerprint
        looked = inspect(read.certificate, now=now, hosts=request.names, source="acme")
        order.findings = tuple(finding.as_json() for finding in (*read.findings, *looked.findings))
        order.key = b""

    async def _change(self, order: Order, stored: StoredCertificate) -> Any:
        name = order.request.name

        def edit(draft: Draft) -> None:
            if any(entry.name == name for entry in self.changes.effective.certificates):
                raise Problem("in-use", f"The certificate {name!r} comes from files; choose another name.")
            draft.certificates[name] = stored

        verb = "renewal" if order.request.renewal else "order"
        asked = ChangeRequest(author="acme", reason=f"ACME {verb} {order.id}, asked by {order.author}")
        for left in reversed(range(INSTALL_TRIES)):
            try:
                return await self.changes.apply(asked, edit)
            except Problem as problem:
                if problem.status < 500 or not left:
                    raise OrderFailed(OrderProblem.of("install", said=problem.detail)) from problem
            await deferLater(self.clock, INSTALL_PAUSE, lambda: None)
        raise AssertionError("unreachable")

    async def _revoke(self, order: Order) -> None:
        """
        Revoke the certificate that was replaced; if the CA refuses, that is said, and the new one serves all the same.
        """
        await self.note(order, "revoking", "The new certificate serves; revoking the old one.")
        leaf = x509.load_pem_x509_certificates(order.request.replaces.encode())[0]
        try:
            async with self._client(order) as client:
                await client.call(CA.revoke, leaf, order.request.revoke)
        except OrderFailed as failed:
            if failed.problem.code != "alreadyRevoked":
                order.problem = failed.problem
                await self.note(order, "revoking", f"The old certificate is not revoked. {failed.problem.sentence}")
                return
        await self.note(order, "revoking", "The old certificate is revoked.")


def _match(key: bytes, chain: bytes, name: str, now: float, known: Any) -> Any:
    return match_signed(key, [chain], name=name, now=now, intermediates=known)
