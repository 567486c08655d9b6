"""
Long work as resources: begun by a request, followed as events, kept for a while after its end.

Whoever asks with C{Prefer: respond-async} (RFC 7240) gets 202 and the resource at once; whoever does not waits for the
same answer as anywhere.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ..interfaces import ApplyFailed
from ..problems import STATUS_OF_CODE, Problem
from ._audit import AuditRecord, rfc3339
from ._events import Events
from ._operations import Answer, Call
from ._problem import problem_document

__all__ = ["LongOperation", "LongOperations", "Progress", "run_long"]

#: Operations that are kept, and that run at once.
KEPT: Final = 100
RUNNING: Final = 4

#: Seconds between two events of one operation that only tell progress.
INTERVAL: Final = 0.25

#: Is called with how much is done, of how much, and the present step.
Progress = Callable[[int, int, str], None]

_log = Logger()


class State(Enum):
    """
    How an operation stands.
    """

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@attrs.define(kw_only=True, eq=False)
class LongOperation:
    """
    Work that takes long enough to be watched.

    @ivar kind: what is done: C{import} or C{certificates}.
    @ivar author: who asked for it.
    @ivar created: Unix time.
    @ivar updated: when anything here was another, Unix time.
    @ivar message: the present step, one sentence.
    @ivar done: how much of C{total}.
    @ivar result: the document that a request that waited would have been answered.
    @ivar problem: why it failed.
    """

    id: str
    kind: str
    author: str
    created: float
    updated: float
    state: State = State.RUNNING
    message: str = "It begins."
    done: int = 0
    total: int = 0
    result: Any = attrs.field(default=None, repr=False)
    problem: Problem | None = None

    def as_json(self) -> dict[str, Any]:
        """
        The operation as it is answered, and told in events.
        """
        return {
            "id": self.id,
            "kind": self.kind,
            "author": self.author,
            "created": rfc3339(self.created),
            "updated": rfc3339(self.updated),
            "state": self.state.value,
            "message": self.message,
            "done": self.done,
            "total": self.total,
            "result": self.result,
            "problem": None if self.problem is None else problem_document(self.problem),
        }


class LongOperations:
    """
    Those that run, and the latest that have ended.
    """

    def __init__(
        self,
        events: Events,
        *,
        wall: Callable[[], float],
        clock: Callable[[], float],
        random: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        """
        @param events: where each step is told.
        @param wall: Unix time.
        @param clock: monotonic seconds.
        @param random: makes identifiers.
        """
        self._events = events
        self._wall = wall
        self._clock = clock
        self._random = random
        self._operations: OrderedDict[str, LongOperation] = OrderedDict()

    def __repr__(self) -> str:
        return f"<LongOperations: {self._running()} of {len(self._operations)} run>"

    def _running(self) -> int:
        return sum(operation.state is State.RUNNING for operation in self._operations.values())

    def list(self) -> list[LongOperation]:
        """
        All of them, newest first.
        """
        return list(reversed(self._operations.values()))

    def find(self, ident: str) -> LongOperation:
        """
        One of them.

        @raise Problem: C{not-found}.
        """
        found = self._operations.get(ident)
        if found is None:
            raise Problem("not-found", f"There is no operation {ident}; those that ended are forgotten in the end.")
        return found

    def begin(
        self, kind: str, author: str, work: Callable[[Progress], Awaitable[Answer]]
    ) -> tuple[LongOperation, Deferred[Answer]]:
        """
        Begin some work.

        @return: the operation, and what it comes to: an answer, or a L{Problem}.

        @raise Problem: C{in-use}: as many as may run do.
        """
        if self._running() >= RUNNING:
            raise Problem("in-use", f"{RUNNING} long operations run already; wait until one has ended.")
        now = self._wall()
        operation = LongOperation(id=self._random(), kind=kind, author=author, created=now, updated=now)
        self._operations[operation.id] = operation
        self._forget()
        return operation, Deferred.fromCoroutine(self._run(operation, work))

    async def _run(self, operation: LongOperation, work: Callable[[Progress], Awaitable[Answer]]) -> Answer:
        told = self._clock() - INTERVAL

        def progress(done: int, total: int, message: str) -> None:
            nonlocal told
            is_step = message != operation.message
            operation.done, operation.total, operation.message = done, total, message
            operation.updated = self._wall()
            if is_step or self._clock() - told >= INTERVAL:
                told = self._clock()
                self._tell(operation)

        try:
            answer = await work(progress)
        except Exception as error:
            operation.problem = _problem_of(error)
            operation.state = State.FAILED
            operation.message = operation.problem.detail
            raise operation.problem from error
        else:
            operation.result = answer.document
            operation.state = State.SUCCEEDED
            operation.done = operation.total
            operation.message = "It is done."
            return answer
        finally:
            operation.updated = self._wall()
            self._tell(operation)

    def _tell(self, operation: LongOperation) -> None:
        self._events.publish("operation", operation.as_json())

    def _forget(self) -> None:
        for ident, operation in list(self._operations.items()):
            if len(self._operations) <= KEPT:
                return
            if operation.state is not State.RUNNING:
                del self._operations[ident]


def _problem_of(error: Exception) -> Problem:
    """
    What went wrong, as it is answered.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, ApplyFailed):
        return Problem(error.code if error.code in STATUS_OF_CODE else "internal", f"{error.subject}: {error.detail}")
    _log.failure("a long operation failed")
    return Problem("internal", "The gate made a mistake; its log has more.")


async def run_long(call: Call, kind: str, work: Callable[[Progress], Awaitable[Answer]]) -> Answer:
    """
    Do long work: to its end, or with C{Prefer: respond-async} as a resource that is answered now.

    @raise Problem: C{in-use}; and what the work raises, for whom waits.
    """
    control = call.control
    operation, ending = control.long_operations.begin(kind, call.principal.name, work)
    if "respond-async" not in [preference.strip().lower() for preference in call.field("prefer").split(",")]:
        return await ending
    ending.addCallbacks(
        lambda answer: _audit(call, answer.status, generation=answer.generation),
        lambda failure: _audit(call, failure.value.status, code=failure.value.code, detail=failure.value.detail),
    )
    return Answer(
        status=202,
        document=operation.as_json(),
        fields={"Location": f"/api/v1/operations/{operation.id}", "Preference-Applied": "respond-async"},
    )


def _audit(call: Call, status: int, *, generation: int = 0, code: str = "", detail: str = "") -> None:
    """
    Keep how it ended; that it began is kept as any request is.
    """
    if call.query.get("dry_run"):
        return
    call.control.audit.add(
        AuditRecord(
            author=call.principal.name,
            peer=call.peer.address,
            certificate=call.peer.certificate,
            method=call.method,
            path=call.path,
            status=status,
            reason=call.query.get("reason", ""),
            force=call.query.get("force", ()),
            generation=generation,
            code=code,
            detail=detail,
        )
    )
