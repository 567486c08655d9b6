"""
Bindings, sites and upstreams: the named entries of the settings document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ._changing import Wish, changing, tell_change
from ._commands import Group, pick_name
from ._observation import hsts_text
from ._session import Session, pass_session
from ._settings_options import SettingsCommand, chosen_settings
from ._show import table

if TYPE_CHECKING:
    from ..client import AdminClient

__all__ = ["add_to"]


def add_to(root: Group) -> None:
    """
    Add the commands of this module.
    """
    for group in (binding, site, upstream):
        root.add_command(group)


@click.group(cls=Group)
def binding() -> None:
    """
    Where clients connect.
    """


@click.group(cls=Group)
def site() -> None:
    """
    What host names serve.
    """


@click.group(cls=Group)
def upstream() -> None:
    """
    The servers behind the gate.
    """


class _BindingCommand(SettingsCommand):
    model = "BindingSettings"
    without = ("name",)


class _SiteCommand(SettingsCommand):
    model = "SiteSettings"
    without = ("name",)
    spellings = {("hosts",): ("--host",)}


class _UpstreamCommand(SettingsCommand):
    model = "UpstreamSettings"
    without = ("name",)
    spellings = {("servers",): ("--server",)}


def _show_bindings(found: list[dict[str, Any]]) -> None:
    table(
        ("binding", "scheme", "endpoint", "port", "public port", "default certificate", "profile"),
        [
            (
                *(each["name"], each["scheme"], each["endpoint"], str(each.get("port", ""))),
                *(str(each["public_port"] or ""), each["default_certificate"], each["tls_profile"]),
            )
            for each in found
        ],
        empty="There are no bindings.",
    )


def _show_sites(found: list[dict[str, Any]]) -> None:
    table(
        ("site", "hosts", "upstream", "redirect", "HSTS"),
        [
            (each["name"], each["hosts"], each["upstream"], each["redirect"]["mode"], hsts_text(each["hsts"]))
            for each in found
        ],
        empty="There are no sites.",
    )


def _show_upstreams(found: list[dict[str, Any]]) -> None:
    table(
        ("upstream", "server", "state", "selection", "health check"),
        [
            (each["name"], server["url"], server.get("state"), each["selection"], each["health"]["path"] or "passive")
            for each in found
            for server in each["servers"]
        ],
        empty="There are no upstreams.",
    )


SHOWN: Mapping[str, Any] = {"binding": _show_bindings, "site": _show_sites, "upstream": _show_upstreams}


def _add_list(group: Group, kind: str) -> None:
    @group.command(name="list", help=f"List the {kind}s.")
    @pass_session
    def list_entries(session: Session) -> None:
        async def work(client: AdminClient) -> Any:
            return await client.show(f"/api/v1/{kind}s")

        session.tell(session.ask(work), lambda document: SHOWN[kind](document[f"{kind}s"]))


def _add_show(group: Group, kind: str) -> None:
    @group.command(name="show", help=f"Show a {kind} with all its settings.")
    @click.argument("name")
    @pass_session
    def show_entry(session: Session, name: str) -> None:
        def show(document: dict[str, Any]) -> None:
            from ..settings import to_toml  # noqa: PLC0415  # pydantic's models take half a second

            click.echo(to_toml({kind: [document]}), nl=False)

        session.tell(session.ask(lambda client: client.show(entry_path(kind, name))), show)


def entry_path(kind: str, name: str) -> str:
    """
    The path of an entry.
    """
    from urllib.parse import quote  # noqa: PLC0415  # kept beside its only use

    return f"/api/v1/{kind}s/{quote(name, safe='')}"


def _add_add(group: Group, kind: str, command: type[SettingsCommand]) -> None:
    @group.command(name="add", cls=command, help=f"Add a {kind}.")
    @click.argument("argument", metavar="[NAME]", required=False)
    @click.option("--name", default=None, metavar="NAME", help="Its name.")
    @changing
    @click.pass_context
    def add_entry(context: click.Context, *, argument: str | None, name: str | None, wish: Wish) -> None:
        chosen = pick_name(argument, name, kind)
        entry = {"name": chosen, **_without_null(chosen_settings(context))}
        session = context.ensure_object(Session)
        answer = session.ask(lambda client: client.change("POST", f"/api/v1/{kind}s", entry, wish.change()))
        tell_change(session, answer, wish, f"{kind.capitalize()} {chosen} is added")


def _add_set(group: Group, kind: str, command: type[SettingsCommand]) -> None:
    @group.command(name="set", cls=command, help=f"Change settings of a {kind}; the others stay as they are.")
    @click.argument("argument", metavar="[NAME]", required=False)
    @click.option("--name", default=None, metavar="NAME", help="Its name.")
    @click.option("--replace", is_flag=True, help="Put what is not named back to its default; add it if there is none.")
    @changing
    @click.pass_context
    def set_entry(context: click.Context, *, argument: str | None, name: str | None, replace: bool, wish: Wish) -> None:
        chosen = pick_name(argument, name, kind)
        path = entry_path(kind, chosen)
        patch = chosen_settings(context)
        if not patch:
            raise click.UsageError("Nothing is to be changed; --help lists what can be.")

        async def work(client: AdminClient) -> Any:
            if replace:
                return await client.change("PUT", path, {"name": chosen, **_without_null(patch)}, wish.change())
            if kind != "binding":
                return await client.change("PATCH", path, patch, wish.change(), merge=True)
            # Bindings cannot be patched: what is there is read, changed here, and sent back if it is still current.
            reply = await client.call("GET", "/api/v1/settings")
            found = [entry for entry in reply.document["binding"] if entry["name"] == chosen]
            if not found:
                # The gate says so in its own words.
                await client.show(path)
            merged = _without_null({**(found[0] if found else {}), **patch})
            return await client.change("PUT", path, merged, wish.change(reply.generation))

        session = context.ensure_object(Session)
        tell_change(session, session.ask(work), wish, f"{kind.capitalize()} {chosen} is changed")


def _add_remove(group: Group, kind: str) -> None:
    @group.command(name="remove", help=f"Remove a {kind}.")
    @click.argument("name")
    @changing
    @pass_session
    def remove_entry(session: Session, *, name: str, wish: Wish) -> None:
        answer = session.ask(lambda client: client.remove(f"{kind}s", name, wish.change()))
        tell_change(session, answer, wish, f"{kind.capitalize()} {name} is removed")


def _add_drain(verb: str, text: str, done: str) -> None:
    @upstream.command(name=verb, help=text)
    @click.argument("name")
    @click.argument("server", metavar="URL")
    @changing
    @pass_session
    def drain_or_resume(session: Session, *, name: str, server: str, wish: Wish) -> None:
        path = f"{entry_path('upstream', name)}/{verb}"
        answer = session.ask(lambda client: client.change("POST", path, {"server": server}, wish.change()))
        tell_change(session, answer, wish, f"{server} of upstream {name} {done}")


def _without_null(document: dict[str, Any]) -> dict[str, Any]:
    """
    What is put back to its default is left out of a whole document.
    """
    return {
        name: _without_null(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if value is not None
    }


for _group, _kind, _command in (
    (binding, "binding", _BindingCommand),
    (site, "site", _SiteCommand),
    (upstream, "upstream", _UpstreamCommand),
):
    _add_list(_group, _kind)
    _add_show(_group, _kind)
    _add_add(_group, _kind, _command)
    _add_set(_group, _kind, _command)
    _add_remove(_group, _kind)

_add_drain("drain", "Let a server finish what runs and start nothing new.", "drains")
_add_drain("resume", "Let a drained server work again.", "works again")
