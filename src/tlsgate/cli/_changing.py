"""
What every change takes, and what it tells.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from ._session import Session
from ._show import clean, tell_findings

if TYPE_CHECKING:
    from ..client import Change

__all__ = ["Wish", "changing", "tell_change"]

F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen(kw_only=True)
class Wish:
    """
    The options that every change takes.
    """

    dry_run: bool
    confirm_within: int | None
    reason: str
    force: tuple[str, ...]
    if_generation: int | None
    show_script: bool

    def change(self, if_match: int | None = None) -> Change:
        """
        As the client takes it.

        @param if_match: the generation that was read before, unless the options name one.
        """
        from ..client import Change  # noqa: PLC0415  # Twisted and treq take a third of a second

        return Change(
            dry_run=self.dry_run,
            confirm_within=self.confirm_within,
            reason=self.reason,
            force=self.force,
            if_match=self.if_generation or if_match,
        )


OPTIONS = (
    click.option("--dry-run", is_flag=True, help="Validate and plan, change nothing."),
    click.option(
        "--confirm-within",
        type=click.IntRange(5, 3600),
        metavar="SECONDS",
        help="Undo the change unless it is confirmed in so many seconds (tlsgate generation confirm).",
    ),
    click.option("--reason", default="", metavar="TEXT", help="Why; kept in the history and the audit log."),
    click.option("--force", multiple=True, metavar="NAME", help="Override a lock-out refusal for this object only."),
    click.option("--show-script", is_flag=True, help="Also print the change as a tlsgate and a curl command."),
    click.option(
        "--if-generation",
        type=click.IntRange(1),
        metavar="N",
        help="Refuse if another generation than this is current.",
    ),
)


def changing(function: F) -> F:
    """
    Give a command the options of a change; it gets them as C{wish}.
    """

    @functools.wraps(function)
    def with_wish(*arguments: Any, **options: Any) -> Any:
        names = [attribute.name for attribute in attrs.fields(Wish)]
        wish = Wish(**{name: options.pop(name) for name in names})
        return function(*arguments, wish=wish, **options)

    decorated: Any = with_wish
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click keeps the function


def tell_change(session: Session, answer: Mapping[str, Any], wish: Wish, done: str) -> None:
    """
    Print what came of a change.

    @param done: what was done, as a sentence without its full stop.
    """
    session.tell(answer, lambda document: _tell(document, wish, done))


def _tell(answer: Mapping[str, Any], wish: Wish, done: str) -> None:
    if wish.dry_run:
        click.echo(f"Dry run, nothing was changed. It would go well: {done}.")
    else:
        workers = answer["workers"]
        served = f"generation {answer['generation']} is served by {workers['serving']} of {workers['total']} workers"
        click.echo(f"{done}; {served}.")
    tell_findings(answer["findings"])
    if answer["confirm_by"] and not wish.dry_run:
        click.secho(
            f"Undone at {answer['confirm_by']} unless confirmed: tlsgate generation confirm {answer['generation']}",
            fg="yellow",
        )
    if wish.show_script:
        click.echo(f"\n{clean(answer['script']['cli'])}\n\n{clean(answer['script']['curl'])}")
