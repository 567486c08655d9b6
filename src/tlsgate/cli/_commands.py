"""
What all commands have in common: C{--json} anywhere, and groups that list their commands in order.
"""

from __future__ import annotations

from typing import Any

import click

from ._session import Session

__all__ = ["Command", "Group", "pick_name"]


def _want_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    session = context.find_object(Session)
    if value and session is not None:
        session.as_json = True


class Command(click.Command):
    """
    A command that takes C{--json}.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.params.append(
            click.Option(
                ["--json", "as_json"],
                is_flag=True,
                expose_value=False,
                callback=_want_json,
                help="Print the API's own JSON.",
            )
        )


class Group(click.Group):
    """
    A noun, or the whole; lists its commands as they were written.
    """

    command_class = Command
    group_class = type

    def list_commands(self, ctx: click.Context) -> list[str]:
        """
        As they were written.
        """
        return list(self.commands)


def pick_name(argument: str | None, option: str | None, what: str) -> str:
    """
    The name that was given as an argument or as an option.
    """
    if argument and option and argument != option:
        raise click.UsageError(f"There are two names: {argument} and {option}.")
    name = argument or option
    if not name:
        raise click.UsageError(f"Name the {what}.")
    return name
