"""
Tokens: who may use the admin API from elsewhere.
"""

from __future__ import annotations

import re
from typing import Any

import click

from ._commands import Group, pick_name
from ._session import Session, pass_session
from ._show import clean, table

__all__ = ["add_to"]

PERMISSIONS = ("view_settings", "change_https_settings", "change_proxy_settings", "manage_tokens", "admin")

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


def add_to(root: Group) -> None:
    """
    Add the commands of this module.
    """
    root.add_command(token)


@click.group(cls=Group)
def token() -> None:
    """
    Who may use the admin API over HTTPS.
    """


@token.command(name="list")
@pass_session
def list_tokens(session: Session) -> None:
    """
    List the tokens, without their secrets.
    """

    def show(document: dict[str, Any]) -> None:
        columns = ("id", "name", "permissions", "expires", "networks", "hosts", "last_used")
        table(
            [column.replace("_", " ") for column in columns],
            [[row[column] for column in columns] for row in document["tokens"]],
            empty="There are no tokens.",
        )

    session.tell(session.ask(lambda client: client.show("/api/v1/tokens")), show)


class Duration(click.ParamType[int]):
    """
    Seconds, or a number with a unit: C{90d}.
    """

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """
        In seconds.
        """
        match = re.fullmatch(r"([0-9]{1,9})([smhdwy]?)", str(value))
        if match is None:
            self.fail("is not a number of seconds, nor like 12h, 90d or 1y", param, ctx)
        return int(match[1]) * UNITS[match[2]]


@token.command()
@click.argument("argument", metavar="[NAME]", required=False)
@click.option("--name", default=None, metavar="NAME", help="Who or what it is for; stands in the history.")
@click.option(
    "--permission", "permissions", multiple=True, required=True, type=click.Choice(PERMISSIONS), help="Repeatable."
)
@click.option("--expires-in", type=Duration(), default=None, metavar="TIME", help="Seconds, or 12h, 90d, 1y.")
@click.option("--network", "networks", multiple=True, metavar="NET", help="Only from this network; repeatable.")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="Only certificates for this host; repeatable.")
@pass_session
def create(
    session: Session,
    *,
    argument: str | None,
    name: str | None,
    permissions: tuple[str, ...],
    expires_in: int | None,
    networks: tuple[str, ...],
    hosts: tuple[str, ...],
) -> None:
    """
    Make a token; its secret is printed now, and never again.
    """
    document: dict[str, Any] = {"name": pick_name(argument, name, "token"), "permissions": list(permissions)}
    if expires_in is not None:
        document["expires_in"] = expires_in
    document.update({key: list(value) for key, value in (("networks", networks), ("hosts", hosts)) if value})

    def show(found: dict[str, Any]) -> None:
        # The secret alone on standard output, so that a script can keep it.
        click.echo(clean(f"Token {found['name']} ({found['id']}); keep its secret, it is not shown again:"), err=True)
        click.echo(found["secret"])

    session.tell(session.ask(lambda client: client.make_token(document)), show)


@token.command()
@click.argument("ident", metavar="ID")
@pass_session
def revoke(session: Session, ident: str) -> None:
    """
    Revoke a token; it stops working at once.
    """
    session.ask(lambda client: client.revoke_token(ident))
    session.tell({"id": ident, "revoked": True}, lambda _: click.echo(f"Token {ident} is revoked."))
