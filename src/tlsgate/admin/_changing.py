"""
Making a change: what every operation that makes a generation has in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..changes import ChangeRequest, Outcome
from ..interfaces import ApplyFailed
from ..problems import Finding, Problem
from ..settings import Document, Draft, validate_document
from ._admin_access import check_admin_access
from ._audit import rfc3339
from ._operations import Answer, Call
from ._script import script_of

__all__ = ["change_request", "changed", "make_change"]


def change_request(call: Call) -> ChangeRequest:
    """
    What the parameters of a call ask for.
    """
    return ChangeRequest(
        author=call.principal.name,
        reason=call.query.get("reason", ""),
        dry_run=call.query.get("dry_run", False),
        confirm_within=call.query.get("confirm_within"),
        force=frozenset(call.query.get("force", ())),
        if_match=call.if_match,
    )


async def make_change(call: Call, edit: Callable[[Draft], None]) -> Outcome:
    """
    Edit a draft of the current generation and serve it, or plan to.

    @raise Problem: it was refused; nothing changed.
    """
    last = call.control.last_change

    def edit_and_check(draft: Draft) -> None:
        edit(draft)
        _check_shape(draft.document)
        check_admin_access(call, draft.document)

    try:
        outcome = await call.control.changes.apply(change_request(call), edit_and_check)
    except (Problem, ApplyFailed) as refused:
        if not isinstance(refused, Problem) or refused.status >= 500:
            last.successful = False
        raise
    if outcome.made is not None:
        last.successful = True
        last.succeeded_at = call.control.wall()
    return outcome


def _check_shape(document: Document) -> None:
    """
    Entries are compared by their names before they are validated; what has no text there is refused at once.

    @raise Problem: C{invalid-settings}.
    """
    for kind in ("binding", "site", "upstream", "certificate"):
        entries = document.get(kind, [])
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and all(isinstance(entry.get(key, ""), str) for key in ("name", "scheme"))
            for entry in entries
        ):
            validate_document(document)


def changed(
    call: Call,
    outcome: Outcome,
    command: Sequence[str],
    *,
    document: Any = None,
    parts: Iterable[str] = (),
    status: int = 200,
    fields: Mapping[str, str] | None = None,
    findings: Iterable[Finding] = (),
    shown: Mapping[str, Any] | None = None,
) -> Answer:
    """
    The answer to a change, CONTRACT section 4.

    @param command: see L{script_of}, also for C{document} and C{parts}.
    @param findings: about what was sent, beside those about what is served.
    @param shown: what was changed, by the name of its kind.
    """
    number = outcome.generation
    answer = {
        **(shown or {}),
        "generation": number,
        "workers": {"serving": outcome.serving, "total": outcome.total},
        "findings": _told(findings, (shown or {}).get("certificate", {}).get("findings", ()), outcome.findings),
        "confirm_by": None if outcome.confirm_by is None else rfc3339(outcome.confirm_by),
        "script": script_of(call, command, document=document, parts=parts),
    }
    dry_run = bool(call.query.get("dry_run"))
    return Answer(
        status=200 if dry_run else status,
        document=answer,
        etag=call.control.changes.current.number,
        fields=fields or {},
        generation=outcome.made.number if outcome.made is not None else 0,
    )


def _told(sent: Iterable[Finding], certificate: Iterable[dict[str, str]], served: Iterable[Finding]) -> list[Any]:
    """
    All findings, each once: about what was sent, about the certificate that came of it, about what is served.
    """
    told: list[dict[str, str]] = []
    for finding in (*(one.as_json() for one in sent), *certificate, *(one.as_json() for one in served)):
        if finding not in told:
            told.append(finding)
    return told
