"""
C{/api/v1/certificates/batch}: many certificates as one change.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Final

from pydantic import Field, StrictStr

from ...certificates import ReadResult
from ...problems import Problem, ProblemError
from ...settings import Draft
from .._bodies import model_content
from .._changing import changed, make_change
from .._long_operations import Progress, run_long
from .._operations import Answer, Body, Call, Operations
from .._schemas import Asked, Changed, ObjectName, Shown
from .._tokens import Permission
from ._certificate_parts import UPLOAD_CODES, read_parts, store
from ._entries import CHANGE_CODES
from ._operations import LongOperationShown

__all__ = ["operations"]

operations = Operations()

#: Bytes of a batch, and certificates in it.
LARGEST: Final = 32 * 1024 * 1024
MOST: Final = 5000


class BatchEntry(Asked):
    """
    One certificate: C{certificate} and C{key} as PEM, or C{pfx} in base64.
    """

    name: ObjectName
    certificate: StrictStr = ""
    key: StrictStr = ""
    chain: StrictStr = ""
    pfx: StrictStr = ""
    password: StrictStr | None = None


class BatchRequest(Asked):
    """
    Certificates to store, all of them or none.
    """

    certificates: Annotated[list[BatchEntry], Field(min_length=1, max_length=MOST)]


class BatchStored(Shown):
    """
    A certificate of a batch as it was stored.
    """

    name: str
    names: list[str]
    fingerprint: str


class BatchChanged(Changed):
    """
    The certificates of a batch are served.
    """

    certificates: list[BatchStored]


@operations.operation(
    "POST",
    "/api/v1/certificates/batch",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Add or replace many certificates as one change; if one cannot be used, none is.",
    body=Body(json=BatchRequest, largest=LARGEST),
    answers={200: BatchChanged, 202: LongOperationShown},
    codes=(*CHANGE_CODES, *UPLOAD_CODES),
    change=True,
    scoped=True,
    long=True,
)
async def store_batch(call: Call) -> Answer:
    """
    Store many certificates.
    """
    # Validating many megabytes takes long enough for others to notice.
    asked: BatchRequest = await call.control.changes.in_thread(model_content, call, BatchRequest)
    return await run_long(call, "certificates", lambda progress: _store(call, asked.certificates, progress))


async def _store(call: Call, entries: list[BatchEntry], progress: Progress) -> Answer:
    read = await _read_all(call, entries, progress)
    progress(len(entries), len(entries), "The certificates are put into service.")

    def edit(draft: Draft) -> None:
        for one in read:
            store(call, draft, one)

    outcome = await make_change(call, edit)
    return changed(
        call,
        outcome,
        ["certificate", "import-folder", "certificates"],
        document="@certificates.json",
        findings=[finding for one in read for finding in one.findings],
        shown={"certificates": [_shown(one) for one in read]},
    )


async def _read_all(call: Call, entries: list[BatchEntry], progress: Progress) -> list[ReadResult]:
    """
    Read and check all of them before one is refused, so that all that is wrong is told at once.
    """
    found: list[ReadResult] = []
    errors: list[ProblemError] = []
    first: Problem | None = None
    names: set[str] = set()
    for place, entry in enumerate(entries):
        progress(place, len(entries), "The certificates are checked.")
        try:
            if entry.name in names:
                raise Problem("exists", f"The name {entry.name!r} comes twice.")
            names.add(entry.name)
            password = None if entry.password is None else entry.password.encode("utf-8")
            found.append(await read_parts(call, _parts(entry), entry.name, password))
        except Problem as problem:
            first = first or problem
            errors.append(ProblemError(f"/certificates/{place}", problem.code, f"{entry.name}: {problem.detail}"))
    if first is not None:
        more = f" ({len(errors)} of {len(entries)} cannot be used.)"
        raise Problem(first.code, errors[0].message + more, errors=errors)
    return found


def _parts(entry: BatchEntry) -> dict[str, list[bytes]]:
    parts = {name: [getattr(entry, name).encode("utf-8")] for name in ("certificate", "key", "chain")}
    try:
        parts["pfx"] = [base64.b64decode(entry.pfx, validate=True)]
    except (binascii.Error, ValueError):
        raise Problem("certificate-unreadable", "The member pfx is not base64.") from None
    return {name: content for name, content in parts.items() if content[0]}


def _shown(read: ReadResult) -> dict[str, Any]:
    certificate = read.certificate
    return {"name": certificate.name, "names": list(certificate.names), "fingerprint": certificate.fingerprint}
