"""
From a request to its answer: guard, authenticate, match, authorise, read, run.  Whatever goes wrong on the way is a
problem document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ..interfaces import ApplyFailed
from ..problems import STATUS_OF_CODE, Problem
from ._audit import AuditRecord
from ._auth import ANYONE, Authenticator, Peer, Principal
from ._control import Control
from ._guarding import Guard
from ._idempotency import Remembered
from ._operations import MAX_CONTENT, Answer, Call, Operation, Operations
from ._problem import PROBLEM_JSON, problem_document, problem_fields
from ._query import read_if_match, read_query
from ._session import CSRF_FIELD, UNATTENDED_FIELD, cookie_in

__all__ = ["AdminService", "Received"]

#: Statuses of refusals that are kept in the audit log.  404 and 405 change nothing and name nobody's object.
AUDITED: Final = frozenset({400, 401, 403, 409, 412, 413, 415, 422, 429, 500, 503})


@attrs.frozen(kw_only=True)
class Received:
    """
    A request as it came in.

    @ivar path: without the query, as it was sent.
    @ivar query: without the question mark, as it was sent.
    @ivar fields: by lower-case name, all lines in order.
    """

    method: str
    path: bytes
    query: bytes = attrs.field(repr=False)
    fields: Mapping[str, tuple[str, ...]] = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False, default=b"")
    peer: Peer

    def lines(self, name: str) -> tuple[str, ...]:
        """
        The values of a field.
        """
        return self.fields.get(name, ())


@attrs.define
class _Trail:
    """
    What is known of a request so far, for the audit log.

    @ivar planned: it only asks what would happen, which changes nothing: the web UI does so while somebody types.
    """

    principal: Principal = ANYONE
    operation: Operation | None = None
    reason: str = ""
    force: Sequence[str] = ()
    planned: bool = False


class AdminService:
    """
    The admin API without any transport.
    """

    _log = Logger()

    def __init__(
        self,
        operations: Operations,
        control: Control,
        authenticator: Authenticator,
        guard: Guard,
        pages: Mapping[bytes, Answer] | None = None,
    ) -> None:
        """
        @param pages: of the web UI, by their paths.
        """
        self._pages = pages or {}
        self._operations = operations
        self._control = control
        self._authenticator = authenticator
        self._guard = guard
        self._remembered = Remembered()

    async def answer(self, received: Received) -> Answer:
        """
        Answer a request; never raises.
        """
        trail = _Trail()
        try:
            answer = await self._answer(received, trail)
        except Problem as problem:
            return await self._refuse(received, trail, problem)
        except ApplyFailed as failed:
            code = failed.code if failed.code in STATUS_OF_CODE else "internal"
            return await self._refuse(received, trail, Problem(code, f"{failed.subject}: {failed.detail}"))
        except Exception:  # the edge: whatever a mistake of ours raises must not reach the client, nor end the gate
            self._log.failure("an operation of the admin API failed: {operation}", operation=trail.operation)
            return await self._refuse(
                received, trail, Problem("internal", "The gate made a mistake; its log has more.")
            )
        if answer.author:
            trail.principal = Principal(name=answer.author)
        if trail.operation is not None and not trail.planned and (trail.operation.audited or trail.operation.change):
            await self._audit(received, trail, answer.status, generation=answer.generation)
        return answer

    def refusal(self, problem: Problem) -> Answer:
        """
        The answer that a problem makes, where the request is not known yet.
        """
        return _as_answer(problem)

    def refused(self, received: Received, problem: Problem) -> None:
        """
        A request was refused while it came in.
        """
        if _is_audited(problem):
            self._audit(received, _Trail(), problem.status, code=problem.code, detail=problem.detail)

    def largest_content(self, received: Received) -> int:
        """
        How many bytes of content a request may carry, by its head.  More than L{MAX_CONTENT} only for whom may use the
        operation.

        @raise Problem: they may not.
        """
        matched = self._operations.match(received.path)
        operation = matched[0].get(received.method) if matched is not None else None
        if operation is None or operation.body is None or operation.body.largest <= MAX_CONTENT:
            return MAX_CONTENT
        self._guard.check(received.method, received.peer, received.lines("host"), received.lines("origin"))
        self._authorize(self._authenticate(received, operation), operation)
        return operation.body.largest

    async def _answer(self, received: Received, trail: _Trail) -> Answer:
        peer = received.peer
        self._guard.check(received.method, peer, received.lines("host"), received.lines("origin"))
        matched = self._operations.match(received.path)
        method = "GET" if received.method == "HEAD" else received.method
        if method == "GET" and received.path in self._pages:
            return self._pages[received.path]
        operation = matched[0].get(method) if matched is not None else None
        trail.principal = self._authenticate(received, operation)
        if matched is None:
            raise Problem("not-found", "There is nothing at this path; /api/v1/openapi.json lists what there is.")
        by_method, parameters = matched
        if operation is None:
            allow = sorted(by_method)
            raise Problem("method-not-allowed", f"Only {', '.join(allow)} can be used on this path.", allow=allow)
        trail.operation = operation
        self._authorize(trail.principal, operation)
        query = read_query(operation, received.query)
        trail.reason = str(query.get("reason", ""))
        trail.force = query.get("force", ())
        trail.planned = bool(query.get("dry_run"))
        content_types = received.lines("content-type")
        if len(content_types) > 1:
            raise Problem("unsupported-media-type", "There are two Content-Type fields.")
        if received.lines("content-encoding"):
            raise Problem("unsupported-media-type", "Compressed requests are not taken.")
        changes = operation.change
        call = Call(
            operation=operation,
            control=self._control,
            peer=peer,
            principal=trail.principal,
            method=received.method,
            path=received.path.decode("ascii"),
            parameters=parameters,
            query=query,
            fields=received.fields,
            content=received.content,
            content_type=content_types[0] if content_types else "",
            if_match=read_if_match(received.lines("if-match"), self._control.changes.current.number)
            if changes
            else None,
        )
        keys = received.lines("idempotency-key")
        if not changes or not keys:
            return self._while_signed_in(received, await operation.run(call))
        return await self._remembered.once(
            (trail.principal.name, _idempotency_key(keys)), _fingerprint(received), lambda: operation.run(call)
        )

    def _authenticate(self, received: Received, operation: Operation | None) -> Principal:
        peer = received.peer
        open_here = operation is not None and operation.local and (peer.is_loopback or peer.is_unix)
        if open_here and not received.lines("authorization") and not peer.is_unix:
            return ANYONE
        if operation is not None and operation.open:
            return ANYONE
        cookie = cookie_in(received.lines("cookie"))
        if cookie and not received.lines("authorization") and not peer.is_unix:
            return self._control.sessions.principal(
                peer, cookie, received.lines(CSRF_FIELD), attended=not received.lines(UNATTENDED_FIELD)
            )
        return self._authenticator.principal(peer, received.lines("authorization"))

    def _while_signed_in(self, received: Received, answer: Answer) -> Answer:
        """
        An answer that goes on says nothing more once the session that asked for it has ended.
        """
        cookie = cookie_in(received.lines("cookie"))
        if answer.source is None or not cookie or received.lines("authorization") or received.peer.is_unix:
            return answer
        return attrs.evolve(answer, source=self._control.sessions.bound(answer.source, cookie))

    @staticmethod
    def _authorize(principal: Principal, operation: Operation) -> None:
        if principal is ANYONE:
            return
        if principal.set_up:
            if not operation.set_up:
                raise Problem("permission-missing", "The set-up token makes tokens and nothing else.")
            return
        if operation.permission is not None:
            principal.require(operation.permission)
        if principal.hosts and operation.method != "GET" and not operation.scoped:
            raise Problem(
                "permission-missing", f"{principal.name} may only change certificates for {', '.join(principal.hosts)}."
            )

    async def _refuse(self, received: Received, trail: _Trail, problem: Problem) -> Answer:
        if _is_audited(problem) and (not trail.planned or problem.status == 403):
            await self._audit(received, trail, problem.status, code=problem.code, detail=problem.detail)
        return _as_answer(problem)

    def _audit(
        self, received: Received, trail: _Trail, status: int, *, generation: int = 0, code: str = "", detail: str = ""
    ) -> Deferred[None]:
        return self._control.audit.add(
            AuditRecord(
                author=trail.principal.name,
                peer=received.peer.address,
                certificate=received.peer.certificate,
                method=received.method,
                path=received.path.decode("latin-1"),
                status=status,
                reason=trail.reason,
                force=trail.force,
                generation=generation,
                code=code,
                detail=detail,
            )
        )


def _is_audited(problem: Problem) -> bool:
    # A flood of guesses is refused without a line for each: the failures before it have theirs.
    return problem.status in AUDITED and problem.code != "too-many-attempts"


def _as_answer(problem: Problem) -> Answer:
    return Answer(
        status=problem.status,
        document=problem_document(problem),
        content_type=PROBLEM_JSON,
        fields=problem_fields(problem),
    )


def _idempotency_key(lines: tuple[str, ...]) -> str:
    key = lines[0]
    if len(lines) != 1 or not 1 <= len(key) <= 255 or not key.isprintable():
        raise Problem("parameter-invalid", "Idempotency-Key is not one text of at most 255 characters.")
    return key


def _fingerprint(received: Received) -> bytes:
    parts = hashlib.sha256()
    for part in (received.method.encode("latin-1"), received.path, received.query, received.content):
        parts.update(b"%d:" % len(part))
        parts.update(part)
    return parts.digest()
