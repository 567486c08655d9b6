"""
Settings documents: check one offline, apply one, and change a site's settings by options.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..problems import Problem
from ._changing import Wish, changing, tell_change
from ._commands import Command, Group
from ._session import Session, pass_session
from ._settings_options import SettingsCommand, chosen_settings
from ._show import clean, emit_json

if TYPE_CHECKING:
    from ..client import AdminClient

__all__ = ["add_to"]

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def add_to(root: Group) -> None:
    """
    Add the commands of this module.
    """
    for each in (check, apply, show_settings, configure):
        root.add_command(each)


def _tell_errors(problem: Problem, file: Path, text: str) -> None:
    from ..settings import sentences  # noqa: PLC0415  # pydantic's models take half a second

    for sentence in sentences(problem, str(file), text):
        click.echo(clean(sentence), err=True)


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "replace")


@click.command(cls=Command)
@click.argument("file", type=FILE)
@pass_session
def check(session: Session, *, file: Path) -> None:
    """
    Check a TOML document without a gate.

    Each error comes with its line; exit status 1 if there is one.
    """
    from ..settings import read_toml, validate_document  # noqa: PLC0415  # as above

    text = _text(file)
    try:
        document, text = read_toml(file)
        validate_document(document)
    except Problem as problem:
        if session.as_json:
            emit_json({"valid": False, "errors": [error.as_json() for error in problem.errors]})
        _tell_errors(problem, file, text)
        raise SystemExit(1) from None
    session.tell({"valid": True, "errors": []}, lambda _: click.echo(f"{file}: no errors"))


@click.command(cls=Command)
@click.argument("file", type=FILE, required=False)
@click.option("--patch", default=None, metavar="JSON", help="Instead of FILE: merge this into the settings (RFC 7396).")
@changing
@pass_session
def apply(session: Session, *, file: Path | None, patch: str | None, wish: Wish) -> None:
    """
    Put a TOML document into force.

    It replaces the stored settings as a whole.
    """
    if (file is None) == (patch is None):
        raise click.UsageError("Name a file, or give a --patch.")
    if file is None:
        merge = _patch(patch or "")
        answer = session.ask(
            lambda client: client.change("PATCH", "/api/v1/settings", merge, wish.change(), merge=True)
        )
        tell_change(session, answer, wish, "The settings are changed")
    else:
        _apply_file(session, file, wish)


def _patch(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"is not JSON: {error}", param_hint="--patch") from None


def _apply_file(session: Session, file: Path, wish: Wish) -> None:
    from ..settings import read_toml  # noqa: PLC0415  # as above

    text = _text(file)
    try:
        document, text = read_toml(file)
    except Problem as problem:
        _tell_errors(problem, file, text)
        raise SystemExit(1) from None

    async def work(client: AdminClient) -> Any:
        try:
            return await client.put_settings(document, wish.change())
        except Problem as problem:
            if problem.errors:
                _tell_errors(problem, file, text)
            raise

    tell_change(session, session.ask(work), wish, f"{file} is in force")


@click.command(cls=Command, name="settings")
@pass_session
def show_settings(session: Session) -> None:
    """
    Print the settings document in force.

    As TOML, which tlsgate apply takes back, or as JSON with --json.
    """

    async def work(client: AdminClient) -> Any:
        if session.as_json:
            return await client.settings()
        reply = await client.call("GET", "/api/v1/settings", fields={"Accept": "application/toml"})
        return reply.content.decode("utf-8")

    session.tell(session.ask(work), lambda text: click.echo(text, nl=False))


class _Configure(SettingsCommand):
    """
    C{configure}, which also speaks Octopus.
    """

    model = "SiteSettings"
    without = ("name", "hosts", "upstream")
    spellings = {
        ("hsts", "enabled"): ("--hstsEnabled",),
        ("hsts", "max_age"): ("--hstsMaxAge",),
        ("trusted_peers",): ("--trustedProxies",),
    }


async def the_site(client: AdminClient, name: str | None) -> str:
    """
    The site that is meant: the one named, else C{default}, else the only one.
    """
    if name:
        return name
    names = [site["name"] for site in await client.sites()]
    if "default" in names:
        return "default"
    if len(names) != 1:
        raise click.UsageError(f"Name the site with --site; there are: {', '.join(names)}.")
    return str(names[0])


@click.command(cls=_Configure)
@click.option("--site", default=None, metavar="NAME", help="Which site. [default: default, or the only one]")
@click.option("--webForceSSL", "force_https", type=bool, default=None, hidden=True)
@changing
@click.pass_context
def configure(context: click.Context, *, site: str | None, force_https: bool | None, wish: Wish) -> None:
    """
    Change a site's redirect, HSTS and more.

    As --redirect=all --hsts-enabled=true --hsts-max-age=31556926; null puts a setting back to its default.
    """
    patch = chosen_settings(context)
    if force_https is not None:
        patch.setdefault("redirect", {}).setdefault("mode", "all" if force_https else "disabled")
    if not patch:
        raise click.UsageError("Nothing is to be changed; tlsgate configure --help lists what can be.")

    async def work(client: AdminClient) -> Any:
        return await client.patch_site(await the_site(client, site), patch, wish.change())

    session = context.find_object(Session)
    assert session is not None
    answer = session.ask(work)
    tell_change(session, answer, wish, f"Site {answer['site']['name']} is changed")
