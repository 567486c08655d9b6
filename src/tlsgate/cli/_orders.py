"""
Certificates from an ACME CA: ordered, followed to their end, renewed, revoked.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ._certificate_options import split_names
from ._certificates import certificate
from ._commands import Group
from ._session import Session, pass_session
from ._show import clean, table, tell_findings

if TYPE_CHECKING:
    from ..client import AdminClient, Reply

__all__ = ["add_to"]

#: An order on hold waits for a person, not for the CA; in the others it has ended.
RESTING: Final = frozenset({"on-hold", "valid", "invalid", "cancelled"})

F = TypeVar("F", bound=Callable[..., Any])


def add_to(root: Group) -> None:
    """
    Add the commands of this module; some are the noun certificate's.
    """
    root.add_command(order)


@click.group(cls=Group)
def order() -> None:
    """
    Orders at the ACME CA: look, go on, give up.
    """


def ordering(function: F) -> F:
    """
    Give a command what every order takes; it gets C{reason}, C{wait} and C{show_script}.
    """
    decorated: Any = functools.wraps(function)(function)
    for option in (
        click.option("--wait/--no-wait", default=True, show_default=True, help="Follow the order to its end."),
        click.option("--show-script", is_flag=True, help="Also print the order as a tlsgate and a curl command."),
        click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit log."),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click keeps the function


def _switch(name: str, text: str) -> Callable[[F], F]:
    return click.option(
        name, type=bool, is_flag=False, flag_value="true", default=None, metavar="true|false", help=text
    )


@certificate.command()
@click.option("--name", default="default", show_default=True, metavar="NAME", help="What it is stored under.")
@click.option("--names", multiple=True, metavar="NAME", help="A host name; repeatable. [default: --name]")
@click.option("--challenge", default=None, metavar="KIND", help="http-01, tls-alpn-01 or dns-01.")
@click.option("--key-type", default=None, metavar="TYPE", help="ec-p256, ec-p384, rsa-2048, rsa-3072 or rsa-4096.")
@click.option("--email", default=None, metavar="ADDRESS", help="Contact, where there is no account yet.")
@_switch("--agree-terms", "Agree to the CA's terms of service.")
@click.option("--profile", default=None, metavar="NAME", help="A profile that the CA offers.")
@click.option("--preferred-chain", default=None, metavar="NAME", help="Issuer of the chain to take, of several.")
@_switch("--staging", "Rehearse only: nothing is stored or served.")
@_switch("--staging-first", "Rehearse, then order.")
@_switch("--manual", "Wait until a person has put the answers where the CA looks.")
@click.option("--dry-run", is_flag=True, help="Say what the order would meet, order nothing.")
@ordering
@pass_session
def acme(
    session: Session,
    /,
    *,
    names: tuple[str, ...],
    dry_run: bool,
    reason: str,
    wait: bool,
    show_script: bool,
    **more: Any,
) -> None:
    """
    Order a certificate from an ACME CA such as Let's Encrypt.
    """
    document = {key: value for key, value in more.items() if value is not None}
    if names:
        document["names"] = split_names(names)
    query = [("dry_run", "true")] if dry_run else []
    follow(session, "/api/v1/certificates/acme", document, query=query, reason=reason, wait=wait, script=show_script)


@certificate.command()
@click.argument("name")
@ordering
@pass_session
def renew(session: Session, *, name: str, reason: str, wait: bool, show_script: bool) -> None:
    """
    Renew a certificate now, as it was ordered.
    """
    follow(session, f"/api/v1/certificates/{name}/renew", None, reason=reason, wait=wait, script=show_script)


@certificate.command()
@click.argument("name")
@click.option("--reason-code", default="keyCompromise", show_default=True, metavar="CODE", help="As RFC 5280 says it.")
@ordering
@pass_session
def revoke(session: Session, *, name: str, reason_code: str, reason: str, wait: bool, show_script: bool) -> None:
    """
    Replace a certificate, then have the old one revoked.

    The new one has a new key.
    """
    path = f"/api/v1/certificates/{name}/revoke"
    follow(session, path, {"reason": reason_code}, reason=reason, wait=wait, script=show_script)


@order.command(name="list")
@pass_session
def list_orders(session: Session) -> None:
    """
    List the orders.
    """

    def show(document: dict[str, Any]) -> None:
        table(
            ("order", "certificate", "names", "state", "updated", "last step"),
            [
                (each["id"], each["name"], each["names"], each["state"], each["updated"], _last_step(each))
                for each in document["orders"]
            ],
            empty="There are no orders.",
        )

    session.tell(session.ask(lambda client: client.show("/api/v1/orders")), show)


@order.command(name="show")
@click.argument("ident", metavar="ID")
@pass_session
def show_order(session: Session, ident: str) -> None:
    """
    Show an order with its steps, and what it waits for.
    """
    session.tell(session.ask(lambda client: client.show(f"/api/v1/orders/{ident}")), _tell)


@order.command()
@click.argument("ident", metavar="ID")
@pass_session
def proceed(session: Session, ident: str) -> None:
    """
    Let the CA look at what was put in place by hand.
    """
    session.tell(session.ask(lambda client: client.change("POST", f"/api/v1/orders/{ident}/proceed")), _tell)


@order.command()
@click.argument("ident", metavar="ID")
@pass_session
def cancel(session: Session, ident: str) -> None:
    """
    Give an order up.
    """
    session.tell(session.ask(lambda client: client.change("POST", f"/api/v1/orders/{ident}/cancel")), _tell)


def follow(
    session: Session,
    path: str,
    document: Any,
    *,
    query: list[tuple[str, str]] | None = None,
    reason: str,
    wait: bool,
    script: bool,
) -> None:
    """
    Begin an order and follow it to its end, or until it waits for a person.

    @param path: where the order begins with a POST.
    """
    asked = [*(query or []), *([("reason", reason)] if reason else [])]
    scripts: dict[str, str] = {}

    async def work(client: AdminClient) -> Any:
        reply = await client.call("POST", path, document=document, query=asked)
        scripts.update(reply.document.get("script") or {})
        if reply.status != 202 or not wait:
            return reply.document
        return await _wait(client, reply, quiet=session.as_json)

    found = session.ask(work)
    session.tell(found, _tell)
    if script and scripts and not session.as_json:
        click.echo(f"\n{clean(scripts['cli'])}\n\n{clean(scripts['curl'])}")
    if found.get("state") in ("invalid", "cancelled"):
        raise SystemExit(1)


async def _wait(client: AdminClient, reply: Reply, *, quiet: bool) -> dict[str, Any]:
    from ._progress import progress  # noqa: PLC0415  # rich takes a tenth of a second

    found: dict[str, Any] = reply.document
    with progress(not quiet and sys.stderr.isatty()) as step:
        async with aclosing(client.events(f"{reply.location}/events")) as happening:
            async for event in happening:
                found = event.document
                step(f"{found['state']}: {_last_step(found)}")
                if found["state"] in RESTING:
                    break
    return found


def _last_step(found: dict[str, Any]) -> str:
    steps = found.get("steps") or [{"message": ""}]
    return str(steps[-1]["message"])


def _tell(found: dict[str, Any]) -> None:
    """
    An order, or what an order would meet.
    """
    if "state" in found:
        click.echo(clean(f"Order {found['id']} for {', '.join(found['names'])} is {found['state']}."))
        for step in found.get("steps") or ():
            click.echo(clean(f"  {step['time']}  {step['message']}"))
    for task in found.get("tasks") or ():
        where = task.get("url") or task.get("record")
        click.echo(clean(f"Put this at {where} for {task['name']}: {task['content']}"))
    if found.get("tasks"):
        click.echo(f"Then: tlsgate order proceed {found['id']}")
    problem = found.get("problem")
    if problem:
        said = f" ({problem['said']})" if problem.get("said") else ""
        click.echo(clean(f"tlsgate: {problem['detail']}{said} [{problem['code']}]"), err=True)
    tell_findings(found.get("findings") or ())
    if "state" not in found and not found.get("findings"):
        click.echo("Nothing stands in the way of the order.")
