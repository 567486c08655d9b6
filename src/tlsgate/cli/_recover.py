"""
The way back in with the gate stopped: redirect and HSTS off, and a new set-up token.
"""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..problems import Problem
from ._commands import Command, Group
from ._session import Refusal, Session, pass_session
from ._show import clean

if TYPE_CHECKING:
    from ..settings import Document, Generation, SiteMemory

__all__ = ["add_to", "recovered"]


def add_to(root: Group) -> None:
    """
    Add the commands of this module.
    """
    root.add_command(recover)


def recovered(current: Generation, *, number: int, now: float, author: str) -> Generation:
    """
    The generation that leads back: as the current one, with every redirect and HSTS policy switched off.

    @param number: of the new generation.
    @param now: Unix time.
    """
    from ..settings import Draft, SiteMemory  # noqa: PLC0415  # pydantic's models take half a second
    from ..settings import Generation as Made  # noqa: PLC0415  # as above

    draft = Draft(current)
    summary: list[str] = []
    for site in draft.document.get("site", []):
        name = str(site.get("name"))
        memory = draft.memory.get(name, SiteMemory())
        if site.get("redirect", {}).get("mode", "disabled") != "disabled":
            site["redirect"]["mode"] = "disabled"
            memory = attrs.evolve(memory, redirect_changed_at=now)
            summary.append(f"Recovery switches the redirect of site {name} off.")
        if site.get("hsts", {}).get("enabled"):
            memory = _off(memory, site["hsts"], now)
            site["hsts"]["enabled"] = False
            summary.append(f"Recovery switches HSTS of site {name} off.")
        if memory != draft.memory.get(name, SiteMemory()):
            draft.memory[name] = memory
    return Made(
        number=number,
        parent=current.number,
        time=now,
        author=author,
        reason="tlsgate recover",
        summary=tuple(summary) or ("Recovery changes nothing: no redirect and no HSTS were on.",),
        document=draft.document,
        certificates=draft.certificates,
        memory=draft.memory,
    )


def _off(memory: SiteMemory, hsts: Document, now: float) -> SiteMemory:
    """
    C{max-age=0} is due for as long as the largest value ever sent could live in a browser.
    """
    largest = memory.hsts_largest if hsts.get("ramp") else max(memory.hsts_largest, int(hsts.get("max_age", 3600)))
    return attrs.evolve(memory, hsts_largest=largest, hsts_off_until=now + largest, hsts_step=0, hsts_step_since=0.0)


@click.command(cls=Command)
@pass_session
def recover(session: Session) -> None:
    """
    With the gate stopped: undo redirect and HSTS.

    Switches every redirect and HSTS policy off, and makes a new set-up token.
    """
    from ..admin import SetupToken  # noqa: PLC0415  # a second
    from ..settings import FileStore  # noqa: PLC0415  # half a second

    if not session.state.is_dir():
        raise click.UsageError(f"There is no state folder {session.state}; name it with --state.")
    store = FileStore(session.state)
    try:
        store.open()
        try:
            current = store.current()
            if current is None:
                raise click.ClickException(f"{session.state} has no generation; start the gate once.")
            now = time.time()
            made = recovered(current, number=store.next_number(), now=now, author=f"local:{getpass.getuser()}")
            store.commit(current.number, made)
            secret = SetupToken(session.state / "setup-token", wall=time.time).renew()
        finally:
            store.close()
    except Problem as problem:
        raise Refusal(problem, as_json=session.as_json) from problem
    path = session.state / "setup-token"
    document = {"generation": made.number, "summary": list(made.summary), "setup_token_file": str(path)}
    assert secret
    session.tell(document, _tell)


def _tell(document: dict[str, Any]) -> None:
    for sentence in document["summary"]:
        click.echo(clean(sentence))
    click.echo(f"Generation {document['generation']} is in force when the gate starts.")
    click.echo(f"A set-up token, good for an hour, is in {clean(document['setup_token_file'])}.")
    click.echo("What the gate's options or its --config set stays: change it there.", err=True)
