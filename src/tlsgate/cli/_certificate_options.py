"""
Options that several certificate commands share: its name, and the password of a key.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

__all__ = ["name_options", "password_options", "read_password", "split_names"]

F = TypeVar("F", bound=Callable[..., Any])


def name_options(function: F) -> F:
    """
    Give a command C{--name}; empty for the one that is called C{default}.
    """
    return click.option("--name", default="", metavar="NAME", help="What it is stored under. [default: default]")(
        function
    )


def password_options(function: F) -> F:
    """
    Give a command the ways to a password; it gets C{password}.  None of them is an argument that others could read.
    """

    @functools.wraps(function)
    def with_password(*arguments: Any, **options: Any) -> Any:
        password = read_password(
            options.pop("password_file"), options.pop("password_prompt"), options.pop("password_environment")
        )
        return function(*arguments, password=password, **options)

    decorated: Any = with_password
    for option in (
        click.option("--password", "password_prompt", is_flag=True, help="Ask for the password of the key."),
        click.option(
            "--password-file", type=click.File("rb"), default=None, metavar="FILE", help="Read it from a file."
        ),
        click.option(
            "--password-environment",
            envvar="TLSGATE_PASSWORD",
            default=None,
            hidden=True,
            expose_value=True,
        ),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click keeps the function


def read_password(file: Any, prompt: bool, environment: str | None) -> str | None:
    """
    The password from a file, from whoever sits there, or from TLSGATE_PASSWORD, in this order.
    """
    if file is not None:
        content: bytes = file.read()
        return content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    if prompt:
        asked: str = click.prompt("Password of the key", hide_input=True, err=True)
        return asked
    return environment


def split_names(names: Iterable[str]) -> list[str]:
    """
    Names, each option's between commas.
    """
    return [name.strip() for words in names for name in words.split(",") if name.strip()]
