"""
How a command reaches the gate, and with which exit status it ends.

Exit statuses: 0 done, 1 refused, 2 usage, 3 the gate is not reachable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import attrs
import click

from ..problems import Problem
from ._show import clean, emit_json, findings_lines

if TYPE_CHECKING:
    from ..client import AdminClient

__all__ = ["NotReachable", "Refusal", "Session", "pass_session"]

T = TypeVar("T")

#: What to do about a refusal, where its detail cannot know how the command line spells it.
HINTS = {
    "would-lock-out": "If you are sure, override it for this object only: --force NAME.",
    "no-valid-certificate": "Upload a certificate first (tlsgate certificate upload), or --force the site's name.",
    "pinned": "Change the option or the file of the running gate; the API cannot.",
    "token-missing": "Give a token: TLSGATE_TOKEN or --token-file.",
    "token-invalid": "The token is unknown, expired or revoked: tlsgate token list on the gate's machine.",
    "key-encrypted": "Give its password: --password (asks), --password-file FILE or TLSGATE_PASSWORD.",
    "generation-moved": "Somebody changed something in between: look again, then repeat.",
    "confirm-over-old-path": "Run the command again: each run connects anew.",
}


class Refusal(click.ClickException):
    """
    The gate, or a check before it, said no.
    """

    exit_code = 1

    def __init__(self, problem: Problem, *, as_json: bool) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self._as_json = as_json

    def show(self, file: IO[Any] | None = None) -> None:
        """
        The problem on standard error; its document on standard output for C{--json}.
        """
        problem = self.problem
        if self._as_json:
            document = getattr(problem, "document", None)
            emit_json(document or {"code": problem.code, "status": problem.status, "detail": problem.detail})
        lines = [f"tlsgate: {problem.detail} [{problem.code}]"]
        # Where only one value is wrong, the detail has said all of it.
        if len(problem.errors) != 1 or problem.errors[0].message.rstrip(".") not in problem.detail:
            lines += [f"  {error.pointer or '/'}: {error.message}" for error in problem.errors]
        lines += findings_lines([finding.as_json() for finding in problem.findings])
        if problem.code in HINTS:
            lines.append(HINTS[problem.code])
        click.echo("\n".join(map(clean, lines)), err=True, file=file)


class NotReachable(click.ClickException):
    """
    There is no gate to ask.
    """

    exit_code = 3

    def show(self, file: IO[Any] | None = None) -> None:
        """
        One line on standard error.
        """
        click.echo(clean(f"tlsgate: {self.message}"), err=True, file=file)


@attrs.define(kw_only=True)
class Session:
    """
    Where the gate is, and how to tell what it says.

    @ivar state: the state folder.
    @ivar url: of the admin API; empty for the socket in the state folder.
    @ivar cacert: PEM file with the CA to trust; C{None} for the state folder's if there is one, else the system's.
    @ivar client_certificate: PEM file to show to the gate, where it asks for one; C{client_key} its key, C{None} if that
        is in the same file.
    @ivar as_json: print the API's documents.
    @ivar perform: runs work with a client; the default starts the reactor, once in a process.
    """

    state: Path
    url: str = ""
    token: str = attrs.field(default="", repr=False)
    cacert: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    as_json: bool = False
    perform: Callable[[Session, Callable[[AdminClient], Awaitable[Any]]], Any] | None = None

    def ask(self, work: Callable[[AdminClient], Awaitable[T]]) -> T:
        """
        Do work with a client of the gate.

        @raise Refusal: the gate refused.
        @raise NotReachable: there is none.
        """
        from ..client import Unreachable  # noqa: PLC0415  # Twisted and treq take a third of a second

        try:
            result: T = (self.perform or _with_reactor)(self, work)
            return result
        except Problem as problem:
            raise Refusal(problem, as_json=self.as_json) from problem
        except Unreachable as error:
            hint = "" if self.url else f" Is the gate running with --state {self.state}?"
            raise NotReachable(f"{error}{hint}") from error

    def client(self, reactor: Any) -> AdminClient:
        """
        A client of the gate that the options name.
        """
        from ..client import AdminClient, Unreachable  # noqa: PLC0415  # as above

        if not self.url:
            path = self.state / "admin.sock"
            if not path.exists():
                raise Unreachable(f"There is no {path}.")
            return AdminClient.over_socket(reactor, path)
        try:
            return AdminClient.over_https(
                reactor, self.url, token=self.token or None, trusted=self._trusted(), identity=self._identity()
            )
        except (ValueError, OSError) as error:
            raise click.UsageError(str(error)) from error

    def _trusted(self) -> bytes | None:
        if self.cacert is not None:
            return self.cacert.read_bytes()
        local = self.state / "admin-ca.pem"
        return local.read_bytes() if local.exists() else None

    def _identity(self) -> bytes | None:
        files = [file for file in (self.client_certificate, self.client_key) if file is not None]
        return b"\n".join(file.read_bytes() for file in files) if files else None

    def tell(self, document: Any, show: Callable[[Any], None]) -> None:
        """
        Print a document: as it is for C{--json}, else for people.
        """
        if self.as_json:
            emit_json(document)
        else:
            show(document)


pass_session = click.make_pass_decorator(Session)


def _with_reactor(session: Session, work: Callable[[AdminClient], Awaitable[T]]) -> T:
    from twisted.internet.defer import Deferred  # noqa: PLC0415  # as above
    from twisted.internet.task import react  # noqa: PLC0415  # as above
    from twisted.python.failure import Failure  # noqa: PLC0415  # as above

    results: list[Any] = []

    async def begin(reactor: Any) -> T:
        return await work(session.client(reactor))

    def run(reactor: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(begin(reactor)).addBoth(results.append)

    try:
        react(run)
    except SystemExit:
        if not results:
            # Interrupted: as a shell tells it.
            raise SystemExit(130) from None
    if isinstance(results[0], Failure):
        results[0].raiseException()
    result: T = results[0]
    return result
