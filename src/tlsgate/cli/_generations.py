"""
Generations: what was changed, by whom; compare, go back, confirm.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ._changing import Wish, changing, tell_change
from ._commands import Group
from ._session import Session, pass_session
from ._show import clean, fields, table

if TYPE_CHECKING:
    from ..client import AdminClient

__all__ = ["add_to"]

NUMBER = click.IntRange(1)


def add_to(root: Group) -> None:
    """
    Add the commands of this module.
    """
    root.add_command(generation)


@click.group(cls=Group)
def generation() -> None:
    """
    Every change there was: look, compare, go back, confirm.
    """


@generation.command(name="list")
@pass_session
def list_generations(session: Session) -> None:
    """
    The history, newest first.
    """

    def show(document: dict[str, Any]) -> None:
        table(
            ("generation", "time", "author", "state", "what", "reason"),
            [
                (str(row["number"]), row["time"], row["author"], row["state"], " ".join(row["summary"]), row["reason"])
                for row in document["generations"]
            ],
            empty="There are no generations.",
        )

    session.tell(session.ask(lambda client: client.show("/api/v1/generations")), show)


@generation.command()
@click.argument("number", type=NUMBER)
@pass_session
def show(session: Session, number: int) -> None:
    """
    Show a generation with its settings and certificates.
    """

    def tell(found: dict[str, Any]) -> None:
        from ..settings import to_toml  # noqa: PLC0415  # pydantic's models take half a second

        keys = ("number", "time", "author", "reason", "state", "summary", "confirm_by")
        fields([(key, str(found[key]) if key == "number" else found.get(key)) for key in keys])
        click.echo()
        table(
            ("certificate", "names", "ends", "source", "fingerprint"),
            [
                (each["name"], each["names"], each["not_after"], each["source"], each["fingerprint"])
                for each in found["certificates"]
            ],
            empty="no certificates",
        )
        click.echo("\n" + clean(to_toml(found["document"])), nl=False)

    session.tell(session.ask(lambda client: client.show(f"/api/v1/generations/{number}")), tell)


@generation.command()
@click.argument("number", type=NUMBER)
@click.option("--with", "other", type=NUMBER, default=None, metavar="N", help="The other one. [default: the current]")
@pass_session
def diff(session: Session, *, number: int, other: int | None) -> None:
    """
    What differs in another generation from generation NUMBER.
    """

    def tell(found: dict[str, Any]) -> None:
        for sentence in found["summary"]:
            click.echo(clean(sentence))
        for operation in found["patch"]:
            value = "" if "value" not in operation else " " + json.dumps(operation["value"], ensure_ascii=False)
            click.echo(clean(f"  {operation['op']} {operation['path']}{value}"))
        if not (found["summary"] or found["patch"]):
            click.echo("Nothing differs.")

    query = [] if other is None else [("with", str(other))]
    session.tell(session.ask(lambda client: client.show(f"/api/v1/generations/{number}/diff", query)), tell)


@generation.command()
@click.argument("number", type=NUMBER)
@changing
@pass_session
def rollback(session: Session, *, number: int, wish: Wish) -> None:
    """
    Make a new generation with the content of generation NUMBER, certificates included.
    """
    answer = session.ask(lambda client: client.rollback(number, wish.change()))
    tell_change(session, answer, wish, f"Generation {number} is in force again")


@generation.command()
@click.argument("number", type=NUMBER, required=False)
@pass_session
def confirm(session: Session, number: int | None) -> None:
    """
    Keep a change that would be undone; without NUMBER, the one that waits.
    """

    async def work(client: AdminClient) -> Any:
        chosen = number
        if chosen is None:
            waiting = [row["number"] for row in await client.generations() if row["state"] == "unconfirmed"]
            if not waiting:
                raise click.ClickException("Nothing waits to be confirmed.")
            chosen = waiting[0]
        return await client.confirm(chosen)

    session.tell(session.ask(work), lambda found: click.echo(f"Generation {found['generation']} is kept."))
