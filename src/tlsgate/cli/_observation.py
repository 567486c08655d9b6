"""
What is served, why, and who still uses plain HTTP.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from ._commands import Command, Group
from ._session import Session, pass_session
from ._show import clean, fields, table, tell_findings

if TYPE_CHECKING:
    from ..client import AdminClient, Event

__all__ = ["add_to", "certificate_rows"]


def add_to(root: Group) -> None:
    """
    Add the commands of this module.
    """
    root.add_command(status)
    root.add_command(sni)
    root.add_command(redirect)
    root.add_command(audit)
    root.add_command(events)
    root.add_command(completion)


def certificate_rows(certificates: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """
    Certificates for a table.
    """
    return [
        (
            found["name"],
            found["names"],
            found["state"],
            f"{found['not_after']} ({found['days_left']} days)",
            found["key_type"],
            found["source"],
            found["used_by"],
        )
        for found in certificates
    ]


CERTIFICATE_COLUMNS = ("certificate", "names", "state", "ends", "key", "source", "used by")


def hsts_text(hsts: dict[str, Any]) -> str:
    """
    An HSTS policy in a few words.
    """
    if not hsts.get("enabled"):
        return "off"
    more = [word for word in ("include_subdomains", "preload", "ramp") if hsts.get(word)]
    return ", ".join([f"max-age={hsts['max_age']}", *(word.replace("_", " ") for word in more)])


def _show_status(found: dict[str, Any]) -> None:
    workers = found["workers"]
    click.echo(f"generation {found['generation']}, {workers['serving']} of {workers['total']} workers serve it\n")
    if found.get("confirm_by"):
        click.echo(f"It comes undone at {found['confirm_by']} unless it is confirmed: tlsgate generation confirm\n")
    table(
        ("binding", "scheme", "endpoint", "port", "default certificate"),
        [
            (each["name"], each["scheme"], each["endpoint"], str(each.get("port", "")), each["default_certificate"])
            for each in found["bindings"]
        ],
        empty="no bindings",
    )
    click.echo()
    table(CERTIFICATE_COLUMNS, certificate_rows(found["certificates"]), empty="no certificates")
    click.echo()
    table(
        ("site", "hosts", "upstream", "redirect", "HSTS"),
        [
            (each["name"], each["hosts"], each["upstream"], each["redirect"]["mode"], hsts_text(each["hsts"]))
            for each in found["sites"]
        ],
        empty="no sites",
    )
    if found["findings"]:
        click.echo()
        tell_findings(found["findings"])


@click.command(cls=Command)
@pass_session
def status(session: Session) -> None:
    """
    What is served, by which worker, with findings.
    """
    session.tell(session.ask(lambda client: client.status()), _show_status)


@click.command(cls=Command)
@click.argument("name", required=False)
@pass_session
def sni(session: Session, name: str | None) -> None:
    """
    Which certificate serves NAME, and why.

    On each https binding; without NAME, to a client that sends none.
    """

    def show(found: dict[str, Any]) -> None:
        table(
            ("binding", "certificate", "rule", "why"),
            [(each["binding"], each["certificate"], each.get("rule"), each.get("why")) for each in found["bindings"]],
            empty="no https binding",
        )

    query = [("name", name)] if name else []
    session.tell(session.ask(lambda client: client.show("/api/v1/sni", query)), show)


@click.group(cls=Group)
def redirect() -> None:
    """
    The redirect from HTTP to HTTPS, explained.

    It is changed by tlsgate configure --redirect=MODE.
    """


@redirect.command()
@pass_session
def report(session: Session) -> None:
    """
    Who still uses plain HTTP, and whether a redirect would break them.
    """

    def show(found: dict[str, Any]) -> None:
        columns = ("address", "user_agent", "method", "path", "count", "verdict", "redirected", "last_seen")
        table(
            [column.replace("_", " ") for column in columns],
            [[str(row[c]) if c == "count" else row.get(c) for c in columns] for row in found["rows"]],
            empty="nobody has used plain HTTP",
        )

    session.tell(session.ask(lambda client: client.show("/api/v1/redirect/report")), show)


@redirect.command()
@click.argument("url")
@click.option("--method", default="GET", show_default=True)
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A field of the request.")
@click.option("--browser", is_flag=True, help="Send what a browser sends.")
@click.option("--client-ip", default="", metavar="ADDRESS", help="Where the request comes from.")
@pass_session
def explain(
    session: Session, *, url: str, method: str, headers: tuple[str, ...], browser: bool, client_ip: str
) -> None:
    """
    What would happen to a request over plain HTTP.

    For URL, as http://host/path, and by which rule.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if not parts.netloc:
        raise click.UsageError(f"{url} names no host.")
    sent = {"Sec-Fetch-Mode": "navigate"} if browser else {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise click.UsageError(f"--header {header!r} is not 'NAME: VALUE'.")
        sent[name.strip()] = value.strip()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    document = {"host": parts.netloc, "method": method.upper(), "target": target, "headers": sent}
    if client_ip:
        document["client_ip"] = client_ip

    async def ask(client: Any) -> Any:
        return (await client.call("POST", "/api/v1/redirect/explain", document=document)).document

    def show(found: dict[str, Any]) -> None:
        verb = f"{found['status']} to {found['location']}" if found["redirected"] else "no redirect"
        if found.get("would") and not found["redirected"]:
            verb += f"; if it were carried out: to {found['location']}"
        fields([("answer", verb), ("rule", found["rule"]), ("site", found["site"]), ("mode", found["mode"])])

    session.tell(session.ask(ask), show)


@click.command(cls=Command)
@click.option("--author", default="", metavar="NAME", help="Only what this token or local:USER did.")
@click.option("--code", default="", metavar="CODE", help="Only what was refused with this code.")
@click.option("--since", default="", metavar="TIME", help="Only from this time on, as 2026-01-31T12:00:00Z.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at most.")
@pass_session
def audit(session: Session, *, author: str, code: str, since: str, limit: int) -> None:
    """
    Who did what: every change and every refusal, newest first.
    """
    chosen = (("author", author), ("code", code), ("since", since), ("limit", str(limit)))
    query = [(name, value) for name, value in chosen if value]

    def show(found: dict[str, Any]) -> None:
        table(
            ("time", "author", "from", "what", "status", "generation", "reason", "detail"),
            [
                (
                    *(row["time"], row["author"], row["peer"], f"{row['method']} {row['path']}", str(row["status"])),
                    *(str(row["generation"] or ""), row["reason"]),
                    f"{row['detail']} [{row['code']}]" if row["code"] else "",
                )
                for row in found["records"]
            ],
            empty="There is nothing.",
        )

    session.tell(session.ask(lambda client: client.show("/api/v1/audit", query)), show)


@click.command(cls=Command)
@click.option(
    "--after", type=click.IntRange(0), default=None, metavar="N", help="Go on after the event with this number."
)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only these, as generation or order; repeatable.")
@click.option("--count", type=click.IntRange(1), default=None, metavar="N", help="End after so many. [default: never]")
@pass_session
def events(session: Session, *, after: int | None, kinds: tuple[str, ...], count: int | None) -> None:
    """
    Follow what happens.

    A line for each event: its number, its kind, and what there is to say as JSON; with --json, the line is JSON.
    """

    async def follow(client: AdminClient) -> None:
        left = count
        async with aclosing(client.events(after=after)) as happening:
            async for event in happening:
                if kinds and event.kind not in kinds:
                    continue
                _tell_event(event, as_json=session.as_json)
                left = None if left is None else left - 1
                if left == 0:
                    return

    session.ask(follow)


def _tell_event(event: Event, *, as_json: bool) -> None:
    if as_json:
        shown = {"id": event.number, "event": event.kind, "data": event.document}
        click.echo(json.dumps(shown, ensure_ascii=False))
    else:
        click.echo(clean(f"{event.number} {event.kind} {json.dumps(event.document, ensure_ascii=False)}"))


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """
    Print what makes a shell complete commands.

    As eval "$(tlsgate completion bash)" in ~/.bashrc.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415  # for this command only

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(context.find_root().command, {}, "tlsgate", "_TLSGATE_COMPLETE").source())
