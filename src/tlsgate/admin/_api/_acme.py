"""
Certificates from an ACME CA: orders as resources.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from ...acme import Acme, Order, OrderFailed, OrderRequest
from ...problems import Problem
from .._bodies import model_content
from .._events import Event, Following
from .._operations import Answer, Body, Call, Operations, Parameter
from .._script import script_of, settings_options
from .._tokens import Permission
from ._acme_schemas import AcmeShown, OrderList, OrderRequested, OrderShown, PreflightShown, RevocationAsked

__all__ = ["acme_operations"]

DRY_RUN: Final = Parameter(
    name="dry_run",
    description="Say what the order would meet, order nothing.",
    schema={"type": "boolean", "default": False},
)
REASON: Final = Parameter(
    name="reason", description="Why; kept in the audit log.", schema={"type": "string", "maxLength": 500}
)
CERTIFICATE: Final = Parameter(name="certificate", description="Only orders for the certificate with this name.")

ORDER_CODES: Final = ("in-use", "not-found", "parameter-invalid", "terms-not-agreed", "storage-failed")

#: An order in one of these is over.
FINAL_STATES: Final = frozenset({"valid", "invalid", "cancelled"})

CHANGE: Final = Permission.CHANGE_HTTPS_SETTINGS


def acme_operations(acme: Acme) -> Operations:
    """
    The operations on a gate's orders, for C{make_admin(more_operations=...)}.
    """
    operations = Operations()
    room = _Room(acme)
    orders = "/api/v1/orders"
    certificate = "/api/v1/certificates/{name}"
    began: dict[int, Any] = {202: OrderShown, 200: PreflightShown}

    def declare(
        method: str, template: str, run: Callable[[Call], Awaitable[Answer]], summary: str, **more: Any
    ) -> None:
        permission = more.pop("permission", CHANGE)
        operations.operation(method, template, permission=permission, summary=summary, **more)(run)

    declare(
        "POST",
        "/api/v1/certificates/acme",
        room.order_certificate,
        "Order a certificate from the ACME CA; the order goes on by itself.",
        body=Body(json=OrderRequested),
        parameters=(DRY_RUN, REASON),
        answers=began,
        codes=(*ORDER_CODES, "invalid-settings"),
        audited=True,
        scoped=True,
    )
    for verb, run, summary, body in (
        ("renew", room.renew_certificate, "Renew a certificate now, as it was ordered.", None),
        (
            "revoke",
            room.revoke_certificate,
            "Replace a certificate by one with a new key, then revoke it.",
            Body(json=RevocationAsked, required=False),
        ),
    ):
        declare(
            "POST",
            f"{certificate}/{verb}",
            run,
            summary,
            body=body,
            parameters=(REASON,),
            answers={202: OrderShown},
            codes=ORDER_CODES,
            audited=True,
            scoped=True,
        )
    declare("GET", orders, room.list_orders, "List the orders.", parameters=(CERTIFICATE,), answers={200: OrderList})
    declare(
        "GET", f"{orders}/{{id}}", room.show_order, "Show an order.", answers={200: OrderShown}, codes=("not-found",)
    )
    declare(
        "GET",
        f"{orders}/{{id}}/events",
        room.follow_order,
        "Follow an order to its end, as server-sent events.",
        answers={200: None},
        codes=("not-found",),
        media=("text/event-stream",),
    )
    for verb, run, summary in (
        ("proceed", room.proceed_order, "Let the CA look at what was put in place by hand."),
        ("cancel", room.cancel_order, "Give an order up."),
    ):
        declare(
            "POST",
            f"{orders}/{{id}}/{verb}",
            run,
            summary,
            answers={200: OrderShown},
            codes=("not-found", "in-use"),
            audited=True,
            scoped=True,
        )
    declare(
        "GET",
        "/api/v1/acme",
        room.show_acme,
        "Show the ACME accounts, and when certificates are to be renewed.",
        permission=Permission.VIEW_SETTINGS,
        answers={200: AcmeShown},
    )
    declare(
        "POST",
        "/api/v1/acme/key",
        room.roll_over_account,
        "Give the account at the CA a new key.",
        answers={200: AcmeShown},
        codes=("ca-refused", "not-found"),
        audited=True,
    )
    return operations


class _Room:
    """
    The functions behind the operations; their names are the operations'.
    """

    def __init__(self, acme: Acme) -> None:
        self._acme = acme

    async def order_certificate(self, call: Call) -> Answer:
        """
        Begin an order, or say what it would meet.
        """
        asked = model_content(call, OrderRequested)
        names = asked.names or ([asked.name] if "." in asked.name else [])
        request = OrderRequest(**{**asked.model_dump(), "names": tuple(names)})
        call.principal.require_hosts(name.lower() for name in names)
        self._require_stored(call, asked.name)
        sent = asked.model_dump(exclude_unset=True)
        options = [*(f"--names={name}" for name in names), *settings_options({**sent, "names": {}})]
        command = ["certificate", "acme", *options]
        if call.query.get("dry_run"):
            found = await self._acme.preflight(request)
            script = script_of(call, command, document=sent)
            return Answer(document={"findings": [finding.as_json() for finding in found], "script": script})
        order = await self._acme.order(request, author=call.principal.name)
        return _began(call, order, command, sent)

    async def renew_certificate(self, call: Call) -> Answer:
        """
        Begin a renewal.
        """
        name = call.parameters["name"]
        self._require_stored(call, name)
        order = await self._acme.renew(name, author=call.principal.name)
        return _began(call, order, ["certificate", "renew", name])

    async def revoke_certificate(self, call: Call) -> Answer:
        """
        Begin a replacement after which the old certificate is revoked.
        """
        name = call.parameters["name"]
        asked = model_content(call, RevocationAsked) if call.content else RevocationAsked()
        self._require_stored(call, name)
        order = await self._acme.revoke(name, author=call.principal.name, reason=asked.reason)
        sent = asked.model_dump()
        return _began(call, order, ["certificate", "revoke", name, f"--reason-code={asked.reason}"], sent)

    async def list_orders(self, call: Call) -> Answer:
        """
        All orders, or those for one certificate.
        """
        wanted = call.query.get("certificate")
        found = (order for order in self._acme.orders() if wanted in (None, order.request.name))
        return Answer(document={"orders": [order.as_json() for order in _visible(call, found)]})

    async def show_order(self, call: Call) -> Answer:
        """
        One order.
        """
        return Answer(document=self._find(call).as_json())

    async def follow_order(self, call: Call) -> Answer:
        """
        One order as it is now, and whatever happens to it until it ends.
        """
        events, order = call.control.events, self._find(call)
        following = Following(
            events,
            events.last,
            first=Event(events.last, "order", order.as_json()),
            wanted=lambda event: event.kind == "order" and event.content.get("id") == order.id,
            final=lambda event: event.content.get("state") in FINAL_STATES,
        )
        return Answer(content_type="text/event-stream", source=following)

    async def proceed_order(self, call: Call) -> Answer:
        """
        Go on with an order on hold.
        """
        order = await self._acme.proceed(self._find(call).id)
        return Answer(document=order.as_json())

    async def cancel_order(self, call: Call) -> Answer:
        """
        Give up an order.
        """
        order = await self._acme.cancel(self._find(call).id)
        return Answer(document=order.as_json())

    async def show_acme(self, call: Call) -> Answer:
        """
        Accounts and renewals.
        """
        accounts = [account.as_json() for account in await self._acme.accounts()]
        return Answer(document={"accounts": accounts, "renewals": self._acme.renewals()})

    async def roll_over_account(self, call: Call) -> Answer:
        """
        A new key for the account.
        """
        try:
            await self._acme.roll_over()
        except OrderFailed as failed:
            said = f" ({failed.problem.said})" if failed.problem.said else ""
            raise Problem("ca-refused", f"{failed.problem.sentence}{said}") from failed
        return await self.show_acme(call)

    def _find(self, call: Call) -> Order:
        order = self._acme.find(call.parameters["id"])
        call.principal.require_hosts(order.request.names)
        return order

    def _require_stored(self, call: Call, name: str) -> None:
        """
        Whoever replaces a certificate must be allowed to touch it.
        """
        old = call.control.changes.current.certificates.get(name)
        if old is not None:
            call.principal.require_hosts(old.certificate.names)


def _visible(call: Call, orders: Iterable[Order]) -> Iterable[Order]:
    for order in orders:
        try:
            call.principal.require_hosts(order.request.names)
        except Problem:
            continue
        yield order


def _began(call: Call, order: Order, command: list[str], document: Any = None) -> Answer:
    shown = {**order.as_json(), "script": script_of(call, command, document=document)}
    return Answer(status=202, document=shown, fields={"Location": f"/api/v1/orders/{order.id}"})
