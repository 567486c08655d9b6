"""
Long work: an order that goes on at the gate while the command waits.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from ._changing import Wish
from ._session import Session
from ._show import clean, tell_findings

if TYPE_CHECKING:
    from ..client import AdminClient, Reply

__all__ = ["follow"]

#: Seconds between looks at an order.
INTERVAL: Final = 1.0

DONE: Final = frozenset({"valid", "done", "ready", "issued", "succeeded", "complete", "completed"})
FAILED: Final = frozenset({"invalid", "failed", "refused", "canceled", "cancelled", "expired"})


def follow(session: Session, path: str, document: Any, wish: Wish, *, wait: bool) -> None:
    """
    Begin long work and follow it to its end.

    @param path: where the work begins with a POST; answers 202 and C{Location}, or the finished change.
    """

    async def work(client: AdminClient) -> Any:
        change = wish.change()
        fields = {} if change.if_match is None else {"If-Match": f'"{change.if_match}"'}
        reply = await client.call("POST", path, document=document, query=change.query(), fields=fields)
        if reply.status != 202 or not wait:
            return reply.document
        return await _wait(client, reply, quiet=session.as_json)

    found = session.ask(work)
    session.tell(found, _tell)
    if isinstance(found, dict) and _state(found) in FAILED:
        raise SystemExit(1)


async def _wait(client: AdminClient, reply: Reply, *, quiet: bool) -> Any:
    from twisted.internet.task import deferLater  # noqa: PLC0415  # Twisted takes a third of a second

    from ._progress import progress  # noqa: PLC0415  # and rich a tenth

    with progress(not quiet and sys.stderr.isatty()) as step:
        while True:
            found = await client.show(reply.location)
            state = _state(found)
            step(state)
            if state in DONE or state in FAILED:
                return found
            await deferLater(client.reactor, INTERVAL, lambda: None)


def _state(found: dict[str, Any]) -> str:
    return str(found.get("state", found.get("status", "")))


def _tell(found: dict[str, Any]) -> None:
    state = _state(found)
    if state in FAILED:
        problem = found.get("problem") or found.get("error") or {}
        detail = problem.get("detail", "") if isinstance(problem, dict) else str(problem)
        click.echo(clean(f"The order failed: {detail or state}"), err=True)
    elif state:
        click.echo(clean(f"The order is {state}" + (f": {found['id']}" if "id" in found else "") + "."))
    else:
        click.echo(f"Done; generation {found.get('generation', '')}.")
    tell_findings(found.get("findings") or [])
