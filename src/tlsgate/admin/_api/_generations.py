"""
C{/api/v1/generations}: every change there was; compare, go back, confirm.
"""

from __future__ import annotations

from typing import Any

from ...problems import Problem
from ...settings import Generation, hide_secrets
from .._audit import rfc3339
from .._changing import change_request, changed
from .._operations import Answer, Call, Operations, Parameter
from .._schemas import Changed
from .._tokens import Permission
from ._entries import CHANGE_CODES
from ._generation_schemas import GenerationConfirmed, GenerationDiff, GenerationList, GenerationShown

operations = Operations()


def _row(row: dict[str, Any]) -> dict[str, Any]:
    shown = dict(row)
    for moment in ("time", "confirm_by"):
        if isinstance(shown.get(moment), (int, float)):
            shown[moment] = rfc3339(shown[moment])
    return shown


def _rows(call: Call) -> list[dict[str, Any]]:
    return [_row(row) for row in call.control.changes.history()]


def _number(call: Call) -> int:
    return int(call.parameters["number"])


@operations.operation(
    "GET",
    "/api/v1/generations",
    permission=Permission.VIEW_SETTINGS,
    summary="The history, newest first.",
    answers={200: GenerationList},
)
async def list_generations(call: Call) -> Answer:
    """
    All kept generations.
    """
    return Answer(document={"generations": _rows(call)}, etag=call.control.changes.current.number)


def _certificates(generation: Generation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "fingerprint": stored.certificate.fingerprint,
            "names": list(stored.certificate.names),
            "not_after": rfc3339(stored.certificate.not_after),
            "source": stored.source,
            "added_at": rfc3339(stored.added_at),
        }
        for name, stored in sorted(generation.certificates.items())
    ]


@operations.operation(
    "GET",
    "/api/v1/generations/{number}",
    permission=Permission.VIEW_SETTINGS,
    summary="Show a generation with its settings and certificates, never a key.",
    answers={200: GenerationShown},
    codes=("not-found", "storage-failed"),
)
async def show_generation(call: Call) -> Answer:
    """
    One generation.
    """
    number = _number(call)
    rows = [row for row in _rows(call) if row["number"] == number]
    if not rows:
        raise Problem("not-found", f"There is no generation {number}; it may have been pruned.")
    generation = call.control.store.read(number)
    return Answer(
        document={
            **rows[0],
            "document": hide_secrets(generation.document),
            "certificates": _certificates(generation),
        },
        etag=call.control.changes.current.number,
    )


@operations.operation(
    "GET",
    "/api/v1/generations/{number}/diff",
    permission=Permission.VIEW_SETTINGS,
    summary="What differs between two generations.",
    parameters=(
        Parameter(
            name="with",
            description="The other one; the current one by default.",
            schema={"type": "integer", "minimum": 1, "maximum": 999_999_999},
        ),
    ),
    answers={200: GenerationDiff},
    codes=("not-found", "storage-failed"),
)
async def diff_generations(call: Call) -> Answer:
    """
    Compare two generations.
    """
    changes = call.control.changes
    other = call.query.get("with", changes.current.number)
    return Answer(document=changes.diff(_number(call), other), etag=changes.current.number)


@operations.operation(
    "POST",
    "/api/v1/generations/{number}/rollback",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Make a new generation with the content of an old one.",
    answers={200: Changed},
    codes=(*CHANGE_CODES, "not-found", "in-use"),
    change=True,
)
async def roll_back(call: Call) -> Answer:
    """
    Go back to an old generation.
    """
    number = _number(call)
    outcome = await call.control.changes.rollback(number, change_request(call))
    return changed(call, outcome, ["generation", "rollback", str(number)])


@operations.operation(
    "POST",
    "/api/v1/generations/{number}/confirm",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Keep a generation that would be undone.",
    answers={200: GenerationConfirmed},
    codes=("not-found", "not-unconfirmed", "confirm-over-old-path", "storage-failed"),
    audited=True,
)
async def confirm_generation(call: Call) -> Answer:
    """
    Confirm a generation, over a connection that was made after it.
    """
    number = _number(call)
    changes = call.control.changes
    await changes.confirm(number, connected_at=call.peer.connected_at, author=call.principal.name)
    rows = [row for row in _rows(call) if row["number"] == number]
    return Answer(
        document={"generation": number, "confirmed": True, **({"row": rows[0]} if rows else {})},
        etag=changes.current.number,
        generation=number,
    )
