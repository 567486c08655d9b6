"""
One order, from the CA's directory to the certificate's chain.

The CA's own state of the order decides what comes next, so that an order that was interrupted anywhere goes on where
it is: pending → answer its challenges; ready → ask for the certificate; processing → wait; valid → download.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import attrs
from cryptography import x509
from twisted.internet.interfaces import IReactorTime

from ..certificates import new_request
from ..problems import Problem
from ._ca import CA
from ._challenges import Challenges, Chosen, choose, tasks_of
from ._client import Client, InThread
from ._order import Order, OrderState
from ._problems import OrderFailed, OrderProblem
from ._values import Authorization, CAOrder, certificate_id

__all__ = ["ORDER_TIMEOUT", "Issuance"]

#: Seconds for everything between the first call and the download, without the time on hold.
ORDER_TIMEOUT: Final = 900.0

#: Seconds between looks: the first and the longest.
FIRST_LOOK: Final = 0.3
LONGEST_LOOK: Final = 10.0

Note = Callable[[Order, OrderState, str], Awaitable[None]]


@attrs.define
class Issuance:
    """
    @ivar note: keeps what happened.
    @ivar hold: fires when a person says that the challenges can be looked at.
    """

    _clock: IReactorTime
    _in_thread: InThread
    _challenges: Challenges
    note: Note
    hold: Callable[[Order], Awaitable[None]]

    async def obtain(self, order: Order, client: Client) -> bytes:
        """
        Get the certificate of an order, with its chain, PEM; its key is C{order.key}.

        @raise OrderFailed: it cannot be had.
        """
        found = await self._taken_up(order, client) if order.url else None
        if found is None:
            found = await self._begin(order, client)
        give_up = self._clock.seconds() + ORDER_TIMEOUT
        pause = FIRST_LOOK
        while True:
            if found.status == "pending":
                give_up += await self._prove(order, client, found, give_up)
                pause = FIRST_LOOK
            elif found.status == "ready":
                await self._finalize(order, client, found)
            elif found.status == "valid" and found.certificate:
                await self.note(order, "downloading", "The certificate is issued.")
                return await client.call(CA.download, found.certificate, order.request.preferred_chain)
            elif found.status != "processing":
                raise OrderFailed(found.problem or OrderProblem.of("malformed", said=f"The order is {found.status}."))
            if self._clock.seconds() > give_up:
                raise OrderFailed(OrderProblem.of("timed-out", said=f"The order is still {found.status}."))
            found = await client.call(CA.order, order.url)
            if found.status in ("pending", "processing"):
                await client.sleep(max(pause, min(found.retry_after, 60.0)))
                pause = min(pause * 1.5, LONGEST_LOOK)

    async def _taken_up(self, order: Order, client: Client) -> CAOrder | None:
        """
        The order that was made before an interruption; C{None} if the CA has it no longer.

        @raise OrderFailed: the CA is in trouble.
        """
        try:
            found = await client.call(CA.order, order.url)
        except OrderFailed as failed:
            if failed.problem.is_ca_trouble:
                raise
            found = None
        if found is None or found.status not in ("pending", "ready", "processing", "valid") or not order.key:
            order.begin_anew()
            await self.note(order, "ordering", "The CA has the interrupted order no longer; a new one is made.")
            return None
        await self.note(order, "ordering", f"The interrupted order is taken up where it was: {found.status}.")
        return found

    async def _begin(self, order: Order, client: Client) -> CAOrder:
        request = order.request
        try:
            order.key, order.csr = await self._in_thread(_new_request, request.names, request.key_type)
        except Problem as problem:
            raise OrderFailed(OrderProblem.of("badCSR", said=problem.detail)) from problem
        await self.note(order, "ordering", f"Ordering at {urlsplit(order.directory).netloc}.")
        replaces = ""
        if request.replaces:
            replaces = certificate_id(x509.load_pem_x509_certificates(request.replaces.encode())[0])

        def make(ca: CA) -> CAOrder:
            return ca.new_order(request.names, profile=request.profile, replaces=replaces)

        found = await client.call(make)
        order.url = found.url
        await self.note(order, "ordering", "The CA took the order.")
        return found

    async def _finalize(self, order: Order, client: Client, found: CAOrder) -> None:
        await self.note(order, "finalizing", "All names are proven; asking for the certificate.")
        try:
            await client.call(CA.finalize, found, order.csr)
        except OrderFailed as failed:
            # The order tells: it may be in work already, after an answer that was lost.
            if failed.problem.code not in ("orderNotReady", "malformed", "unauthorized"):
                raise
            again = await client.call(CA.order, order.url)
            if again.status == "invalid":
                raise OrderFailed(again.problem or failed.problem) from failed
            if again.status == "ready" and failed.problem.code != "orderNotReady":
                raise

    async def _prove(self, order: Order, client: Client, found: CAOrder, give_up: float) -> float:
        """
        Answer the challenges of an order and wait until the CA has looked.

        @return: seconds that were spent on hold.
        """
        asked = [await client.call(CA.authorization, url) for url in found.authorizations]
        _check(asked)
        chosen = [choose(one, order.request.challenge) for one in asked if one.status == "pending"]
        if not chosen:
            return 0.0
        by_hand = order.request.manual
        held = 0.0
        try:
            names = ", ".join(one.name for one, _ in chosen)
            await self.note(order, "validating", f"Answering the CA's challenges for {names}.")
            wait = await self._challenges.present(order.id, chosen, by_hand=by_hand)
            if by_hand and not order.proceeded:
                held = await self._held(order, chosen)
            if wait:
                await self.note(order, "validating", f"Waiting {wait:.0f} s for the records to reach all name servers.")
                await client.sleep(wait)
            for _, challenge in chosen:
                if challenge.status == "pending":
                    await client.call(CA.answer, challenge)
            await self._until_judged(client, [one for one, _ in chosen], give_up + held)
        finally:
            await self._challenges.withdraw(order.id)
        return held

    async def _held(self, order: Order, chosen: Sequence[Chosen]) -> float:
        began = self._clock.seconds()
        order.tasks = tasks_of(chosen)
        await self.note(
            order, "on-hold", "Put each file (or record) where it is listed, then proceed; or cancel the order."
        )
        await self.hold(order)
        order.proceeded = True
        await self.note(order, "validating", "Somebody said to proceed; the CA is told to look.")
        return self._clock.seconds() - began

    async def _until_judged(self, client: Client, waiting: Sequence[Authorization], give_up: float) -> None:
        """
        @raise OrderFailed: with the objection of each name that failed.
        """
        left = {one.url: one for one in waiting}
        judged: list[Authorization] = []
        pause = FIRST_LOOK
        while left:
            await client.sleep(pause)
            retry_after = 0.0
            for url in list(left):
                one = await client.call(CA.authorization, url)
                if one.status in ("pending", "processing"):
                    retry_after = max(retry_after, one.retry_after)
                    continue
                del left[url]
                judged.append(one)
            # One refused name ends the order; what the CA thinks of the others in this moment is told too.
            _check(judged)
            if self._clock.seconds() > give_up:
                name = next(iter(left.values())).name if left else ""
                raise OrderFailed(OrderProblem.of("timed-out", name=name, said="The CA did not finish its validation."))
            pause = max(min(pause * 1.5, LONGEST_LOOK), min(retry_after, 60.0))


def _new_request(names: Sequence[str], key_type: str) -> tuple[bytes, bytes]:
    # Without a common name: CAs no longer want one, and it may hold only 64 characters.
    return new_request(names, key_type=key_type, subject={"common_name": ""})


def _check(authorizations: Sequence[Authorization]) -> None:
    failed = [one for one in authorizations if one.status not in ("pending", "valid", "processing")]
    if failed:
        raise OrderFailed(OrderProblem.together(tuple(attrs.evolve(one.problem, name=one.name) for one in failed)))
