"""
The orders of a gate: those that run, and those that have ended and are remembered.

An order goes on by itself.  It is on disk before it does anything and after each step, so that the next start takes it up
where it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ..problems import Problem
from ._client import InThread
from ._order import FINAL, Order, OrderFiles, OrderState
from ._problems import OrderFailed, OrderProblem

__all__ = ["UNTOUCHABLE", "Orders", "Publish"]

#: States in which an order is let finish: it changes what serves, or only has to be noted down.
UNTOUCHABLE: Final = FINAL | {"installing", "revoking"}

Publish = Callable[[str, Mapping[str, Any]], object]


class Orders:
    """
    Runs orders, one at a time for each certificate.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        files: OrderFiles,
        in_thread: InThread,
        wall: Callable[[], float],
        publish: Publish,
        run: Callable[[Order], Awaitable[None]],
        on_hold: Callable[[Order, Deferred[None]], Awaitable[None]],
        renewal_failed: Callable[[str, OrderProblem], Awaitable[None]],
    ) -> None:
        """
        @param publish: told of every step of every order, as an event of kind C{order}.
        @param wall: Unix time.
        @param run: does what an order is for; or raises L{OrderFailed}.
        @param on_hold: waits for a person, until a Deferred fires.
        @param renewal_failed: told of a certificate, and why it could not be renewed.
        """
        self._reactor = reactor
        self._files = files
        self._in_thread = in_thread
        self._wall = wall
        self._publish = publish
        self._do = run
        self._on_hold = on_hold
        self._renewal_failed = renewal_failed
        self._orders: dict[str, Order] = {}
        self._running: dict[str, Deferred[None]] = {}
        self._cancelled: set[str] = set()
        self._holds: dict[str, Deferred[None]] = {}
        self._results = dict.fromkeys(sorted(FINAL), 0)

    def __repr__(self) -> str:
        return f"<Orders: {len(self._running)} of {len(self._orders)} run, {len(self._holds)} on hold>"

    async def load(self) -> None:
        """
        Take up those that were interrupted.
        """
        for order in await self._in_thread(self._files.load):
            self._orders[order.id] = order
            if not order.ended:
                self._launch(order)

    def stop(self) -> list[Deferred[None]]:
        """
        Leave them where they are; one that changes what serves ends first.

        @return: what still runs.
        """
        running = list(self._running.items())
        for order_id, each in running:
            if self._orders[order_id].state not in UNTOUCHABLE:
                each.cancel()
        return [each for _, each in running]

    # -- what is asked

    def find(self, order_id: str) -> Order:
        """
        @raise Problem: C{not-found}.
        """
        found = self._orders.get(order_id)
        if found is None:
            raise Problem("not-found", f"There is no order {order_id!r}.")
        return found

    def all(self) -> list[Order]:
        """
        Those that run and the history, newest first.
        """
        return sorted(self._orders.values(), key=lambda order: order.created, reverse=True)

    def results(self) -> Mapping[str, int]:
        """
        Orders that ended, since the start: C{valid}, C{invalid}, C{cancelled}.
        """
        return dict(self._results)

    def running_for(self, name: str) -> str:
        """
        The order that runs for a certificate; empty for none.
        """
        orders = (self._orders[running] for running in self._running)
        return next((order.id for order in orders if order.request.name == name and not order.ended), "")

    def proceed(self, order_id: str) -> Order:
        """
        Let the CA look at what was put in place by hand.

        @raise Problem: C{not-found}; C{in-use}: the order does not wait for that.
        """
        order = self.find(order_id)
        hold = self._holds.pop(order_id, None)
        if hold is None or order.state != "on-hold":
            raise Problem("in-use", f"The order does not wait for a person; it is {order.state}.")
        hold.callback(None)
        return order

    def cancel(self, order_id: str) -> Order:
        """
        Give an order up.

        @raise Problem: C{not-found}; C{in-use}: it has ended, or its certificate is being put in force.
        """
        order = self.find(order_id)
        running = self._running.get(order_id)
        if running is None or order.state in UNTOUCHABLE:
            raise Problem("in-use", f"The order cannot be cancelled any more; it is {order.state}.")
        self._cancelled.add(order_id)
        running.cancel()
        return order

    # -- running

    async def begin(self, order: Order) -> None:
        """
        Keep a new order, and let it go on by itself.

        @raise Problem: C{storage-failed}.
        """
        self._orders[order.id] = order
        self._running[order.id] = Deferred()  # Holds the certificate's name while the file is written.
        try:
            await self._in_thread(self._files.save, order.id, order.to_file())
        except OSError as error:
            del self._orders[order.id], self._running[order.id]
            raise Problem("storage-failed", f"The order cannot be saved: {error.strerror}.") from error
        self._launch(order)

    def _launch(self, order: Order) -> None:
        running: Deferred[None] = Deferred.fromCoroutine(self._run(order))
        if not order.ended:
            self._running[order.id] = running
            running.addBoth(self._ended, order)

    def _ended(self, result: object, order: Order) -> None:
        self._running.pop(order.id, None)
        self._holds.pop(order.id, None)
        self._cancelled.discard(order.id)

    async def _run(self, order: Order) -> None:
        try:
            # In a turn of its own, so that whoever began it sees it as it began.
            await deferLater(self._reactor, 0, lambda: None)
            await self._do(order)
        except CancelledError:
            if order.id not in self._cancelled:
                return  # The gate stops; the order is taken up when it starts again.
            order.problem = OrderProblem.of("cancelled")
            await self.note(order, "cancelled", "Somebody cancelled the order.")
        except OrderFailed as failed:
            await self._failed(order, failed.problem)
        except Exception as error:  # the edge of an order: whatever it is, the order ends and says so
            self._log.failure("order {order} broke", order=order.id)
            await self._failed(order, OrderProblem.of("internal", said=type(error).__name__))

    async def _failed(self, order: Order, problem: OrderProblem) -> None:
        order.problem = problem
        said = f" ({problem.said})" if problem.said else ""
        self._log.warn(
            "order {order} for certificate {name} failed: {detail}{said}",
            order=order.id,
            name=order.request.name,
            detail=problem.sentence,
            said=said,
        )
        if order.request.renewal:
            await self._renewal_failed(order.request.name, problem)
        await self.note(order, "invalid", problem.sentence)

    async def note(self, order: Order, state: OrderState, message: str) -> None:
        """
        Something happened to an order: keep it, and tell.
        """
        order.note(state, message, self._wall())
        if order.ended:
            self._results[state] += 1
            order.key = b""
        try:
            await self._in_thread(self._files.save, order.id, order.to_file())
        except OSError as error:
            self._log.error("order {order} cannot be saved: {reason}", order=order.id, reason=error.strerror)
        self._publish("order", order.as_json())

    async def hold(self, order: Order) -> None:
        """
        Wait until somebody lets the order proceed.
        """
        proceed: Deferred[None] = Deferred()
        self._holds[order.id] = proceed
        await self._on_hold(order, proceed)
