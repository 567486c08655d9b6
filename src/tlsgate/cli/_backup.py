"""
C{export} and C{import}: a whole node as one encrypted file, with the gate running or stopped.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..problems import Problem
from ._changing import Wish, changing, tell_change
from ._commands import Command, Group
from ._session import Refusal, Session, pass_session

if TYPE_CHECKING:
    from ..client import AdminClient

__all__ = ["add_to"]

T = TypeVar("T")

PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.File("r"),
    default=None,
    metavar="FILE",
    help="A file whose first line is the passphrase; - for input. [env: TLSGATE_PASSPHRASE; else asked for]",
)


def add_to(root: Group) -> None:
    """
    Add the commands of this module.
    """
    root.add_command(export_node)
    root.add_command(import_node)


@click.command(cls=Command, name="export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@PASSPHRASE
@pass_session
def export_node(session: Session, file: Path, passphrase_file: Any) -> None:
    """
    Save everything that the node is.

    Settings, certificates and their keys, tokens (as hashes) and accounts at CAs, encrypted with a passphrase.
    """
    passphrase = _passphrase(passphrase_file, confirm=True)

    async def fetch(client: AdminClient) -> bytes:
        return (await client.call("POST", "/api/v1/export", document={"passphrase": passphrase})).content

    content = session.ask(fetch) if _runs(session) else _offline(session, lambda: _export(session.state, passphrase))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    session.tell(
        {"file": str(file), "bytes": len(content)},
        lambda shown: click.echo(f"{file}: {shown['bytes']} bytes, encrypted."),
    )


@click.command(cls=Command, name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@PASSPHRASE
@changing
@pass_session
def import_node(session: Session, file: Path, passphrase_file: Any, wish: Wish) -> None:
    """
    Restore what export saved.

    A running gate takes it as one change and keeps its own tokens; with the gate stopped, an empty state folder
    becomes the node.
    """
    passphrase = _passphrase(passphrase_file, confirm=False)
    content = file.read_bytes()
    if not _runs(session):
        if wish.dry_run or wish.confirm_within:
            raise click.UsageError("With the gate stopped there is nothing to try: leave out --dry-run and the like.")
        number = _offline(session, lambda: _import(session.state, content, passphrase))
        session.tell({"generation": number}, lambda _: click.echo(f"{session.state} is restored; start the gate."))
        return

    async def send(client: AdminClient) -> Any:
        form: dict[str, bytes | str] = {"backup": content, "passphrase": passphrase}
        from ._progress import progress_bar  # noqa: PLC0415  # rich takes a tenth of a second

        with progress_bar(not session.as_json and sys.stderr.isatty()) as bar:
            return await client.change("POST", "/api/v1/import", change=wish.change(), form=form, progress=bar)

    tell_change(session, session.ask(send), wish, f"{file} is restored")


def _runs(session: Session) -> bool:
    """
    Is there a gate to ask?  A socket file that nobody listens on is what a gate that was killed leaves.
    """
    if session.url or session.perform is not None:
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(session.state / "admin.sock"))
        except OSError:
            return False
    return True


def _offline(session: Session, work: Callable[[], T]) -> T:
    try:
        return work()
    except Problem as problem:
        raise Refusal(problem, as_json=session.as_json) from problem


def _export(state: Path, passphrase: str) -> bytes:
    from ..changes import Backup, make_backup, side_files  # noqa: PLC0415  # a second
    from ..settings import FileStore  # noqa: PLC0415  # as above

    if not state.is_dir():
        raise click.UsageError(f"There is no state folder {state}; name it with --state.")
    store = FileStore(state)
    store.open()
    try:
        current = store.current()
        if current is None:
            raise click.ClickException(f"{state} has no generation; start the gate once.")
        return make_backup(Backup(generation=current, files=side_files(state)), passphrase)
    finally:
        store.close()


def _import(state: Path, content: bytes, passphrase: str) -> int:
    from ..changes import read_backup, restore  # noqa: PLC0415  # as above

    backup = read_backup(content, passphrase)
    return restore(state, backup, now=time.time(), author=f"local:{getpass.getuser()}").number


def _passphrase(file: Any, *, confirm: bool) -> str:
    if file is not None:
        return str(file.readline()).rstrip("\r\n")
    found = os.environ.get("TLSGATE_PASSPHRASE", "")
    return found or str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
