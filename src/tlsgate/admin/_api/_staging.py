"""
Certificates that are uploaded today and serve from a moment on; and the root of the local CA.
"""

from __future__ import annotations

import datetime
from typing import Final

from ...certificates import LocalAuthority, ReadResult, StagedCertificate, StagedCertificates, timestamp
from ...problems import Problem
from .._operations import Answer, Call, Operations, Parameter
from .._schemas import CertificateObject, Shown
from .._tokens import Permission
from ._certificate_parts import refuse_files
from ._shown import shown_certificate

operations = Operations()

ACTIVATE_AT: Final = Parameter(
    name="activate_at",
    description="Serve it from this time on, RFC 3339 in UTC; until then it is kept aside.",
    schema={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$"},
)


class Staged(Shown):
    """
    A certificate that waits for its time.
    """

    certificate: CertificateObject
    activate_at: str
    bindings: list[str]


class StagedList(Shown):
    """
    The certificates that wait.
    """

    staged: list[Staged]


async def stage(call: Call, read: ReadResult, bindings: tuple[str, ...] = ()) -> Answer:
    """
    Keep a certificate until the time that the call names.

    @param bindings: whose default certificate it becomes then.

    @raise Problem: C{parameter-invalid}: a time of the past; C{in-use}: its name is that of watched files; C{exists};
        C{permission-missing}.
    """
    control = call.control
    name = read.certificate.name
    refuse_files(call, name)
    old = control.changes.current.certificates.get(name)
    if old is not None:
        if call.operation.name == "add_certificate":
            raise Problem("exists", f"There is a certificate named {name!r}; PUT replaces it.")
        call.principal.require_hosts(old.certificate.names)
    try:
        moment = datetime.datetime.fromisoformat(call.query["activate_at"].replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise Problem("parameter-invalid", "The query parameter activate_at is no time.") from None
    staged = StagedCertificate(
        certificate=read.certificate,
        source=read.source,
        activate_at=moment,
        author=call.principal.name,
        reason=call.query.get("reason", ""),
        bindings=bindings,
    )
    staged.check(control.wall())
    if not call.query.get("dry_run"):
        await control.changes.in_thread(_staged(call).add, staged, control.wall())
    shown = shown_certificate(call, read.certificate, read.source, control.changes.snapshot)
    document = {
        "certificate": shown,
        "activate_at": timestamp(moment),
        "bindings": list(bindings),
        "findings": [*(finding.as_json() for finding in read.findings), *shown["findings"]],
    }
    return Answer(status=202, document=document, etag=control.changes.current.number)


def _staged(call: Call) -> StagedCertificates:
    return StagedCertificates(call.control.state / "staged")


@operations.operation(
    "GET",
    "/api/v1/staged",
    permission=Permission.VIEW_SETTINGS,
    summary="List the certificates that wait for their time.",
    answers={200: StagedList},
)
async def list_staged(call: Call) -> Answer:
    """
    Those that wait, never their keys.
    """
    changes = call.control.changes
    rows = [
        {
            "certificate": shown_certificate(call, one.certificate, one.source, changes.snapshot),
            "activate_at": timestamp(one.activate_at),
            "bindings": list(one.bindings),
            "author": one.author,
        }
        for one in await changes.in_thread(_staged(call).all)
    ]
    return Answer(document={"staged": rows}, etag=changes.current.number)


@operations.operation(
    "DELETE",
    "/api/v1/staged/{name}",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Forget a certificate that waits.",
    answers={200: None},
    codes=("not-found",),
    audited=True,
)
async def remove_staged(call: Call) -> Answer:
    """
    Forget one.
    """
    name = call.parameters["name"]
    if not await call.control.changes.in_thread(_staged(call).remove, name):
        raise Problem("not-found", f"No certificate named {name!r} waits.")
    return Answer(document={"removed": name})


@operations.operation(
    "GET",
    "/api/v1/local-ca.pem",
    permission=Permission.VIEW_SETTINGS,
    summary="The root of the gate's own CA, for whoever wants to trust it.",
    answers={200: None},
    media=("application/x-pem-file",),
)
async def show_root(call: Call) -> Answer:
    """
    The root; nothing adds it to any trust store.
    """
    authority = await call.control.changes.in_thread(LocalAuthority.load_or_create, call.control.state)
    return Answer(content=authority.root, content_type="application/x-pem-file")
