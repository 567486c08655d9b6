"""
C{/api/v1/certificates/csr}: certificate signing requests.  The key is born here and stays.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from ...certificates import known_issuers, match_signed, new_request
from ...problems import Problem
from ...settings import Draft, write_private
from .._bodies import media_type, model_content, multipart_content
from .._changing import changed, make_change
from .._operations import Answer, Body, Call, Operations
from .._schemas import CertificateChanged, CsrList, CsrMade, CsrRequest, SignedDocument
from .._tokens import Permission
from ._certificate_parts import UPLOAD_CODES, refuse_files, store
from ._entries import CHANGE_CODES
from ._shown import shown_certificate

operations = Operations()

PARTS = {"certificate": "What the CA sent, in any form.", "chain": "Intermediates, where they came by themselves."}

#: Requests that wait for their certificate.
MAX_REQUESTS = 100


def _path(call: Call, name: str) -> Path:
    return call.control.state / "csr" / f"{name}.json"


def _load(call: Call, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(_path(call, name).read_bytes())
    except FileNotFoundError:
        raise Problem("not-found", f"No certificate request named {name!r} waits for its certificate.") from None
    except (OSError, ValueError) as error:
        raise Problem("storage-failed", f"The certificate request {name!r} cannot be read.") from error
    return found


@operations.operation(
    "POST",
    "/api/v1/certificates/csr",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Make a key, which stays here, and a certificate request for it.",
    body=Body(json=CsrRequest),
    answers={201: CsrMade},
    codes=("invalid-settings", "exists", "in-use", "key-too-weak", "storage-failed"),
    audited=True,
    scoped=True,
)
async def make_csr(call: Call) -> Answer:
    """
    Make a request.
    """
    asked = model_content(call, CsrRequest)
    refuse_files(call, asked.name)
    call.principal.require_hosts(name.lower() for name in asked.names)
    path = _path(call, asked.name)
    if path.exists():
        raise Problem("exists", f"A request named {asked.name!r} waits already; give it its certificate or delete it.")
    key, csr = await call.control.changes.in_thread(
        new_request, asked.names, key_type=asked.key_type, subject=asked.subject
    )
    public = {"name": asked.name, "csr": csr.decode("ascii"), "names": asked.names, "key_type": asked.key_type}
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if len(list(path.parent.iterdir())) >= MAX_REQUESTS:
            raise Problem("in-use", f"{MAX_REQUESTS} requests wait for their certificates; delete some first.")
        stored = {**public, "key": base64.b64encode(key).decode("ascii")}
        write_private(path, json.dumps(stored).encode())
    except OSError as error:
        raise Problem("storage-failed", f"The request cannot be saved: {error.strerror}.") from error
    return Answer(status=201, document=public, fields={"Location": f"{call.path}/{asked.name}"})


@operations.operation(
    "GET",
    "/api/v1/certificates/csr",
    permission=Permission.VIEW_SETTINGS,
    summary="List the certificate requests that wait for their certificates.",
    answers={200: CsrList},
)
async def list_csrs(call: Call) -> Answer:
    """
    All requests that wait, never their keys.
    """
    folder = call.control.state / "csr"
    names = sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []
    return Answer(document={"requests": [_public(_load(call, name)) for name in names]})


def _public(stored: dict[str, Any]) -> dict[str, Any]:
    return {member: stored[member] for member in ("name", "csr", "names", "key_type")}


@operations.operation(
    "GET",
    "/api/v1/certificates/csr/{name}",
    permission=Permission.VIEW_SETTINGS,
    summary="Show a certificate request that waits.",
    answers={200: CsrMade},
    codes=("not-found", "storage-failed"),
)
async def show_csr(call: Call) -> Answer:
    """
    One request, never its key.
    """
    return Answer(document=_public(_load(call, call.parameters["name"])))


@operations.operation(
    "DELETE",
    "/api/v1/certificates/csr/{name}",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Give up a certificate request and its key.",
    answers={204: None},
    codes=("not-found", "storage-failed"),
    audited=True,
    scoped=True,
)
async def remove_csr(call: Call) -> Answer:
    """
    Give up a request.
    """
    name = call.parameters["name"]
    call.principal.require_hosts(_load(call, name)["names"])
    _path(call, name).unlink(missing_ok=True)
    return Answer(status=204)


@operations.operation(
    "PUT",
    "/api/v1/certificates/csr/{name}/certificate",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Store the certificate that a CA made of a request.",
    body=Body(json=SignedDocument, parts=PARTS),
    answers={200: CertificateChanged, 201: CertificateChanged},
    codes=(*CHANGE_CODES, *UPLOAD_CODES, "not-found"),
    change=True,
    scoped=True,
)
async def put_signed(call: Call) -> Answer:
    """
    Bring key and certificate together.
    """
    name = call.parameters["name"]
    waiting = _load(call, name)
    if media_type(call.content_type) == "application/json":
        document = model_content(call, SignedDocument)
        sent = [text.encode() for text in (document.certificate, document.chain) if text]
    else:
        form = multipart_content(call, PARTS)
        sent = [*form.get("certificate", ()), *form.get("chain", ())]
    control = call.control
    known = known_issuers(stored.certificate for stored in control.changes.current.certificates.values())
    key = base64.b64decode(waiting["key"])
    read = await control.changes.in_thread(match_signed, key, sent, name=name, now=control.wall(), intermediates=known)
    call.principal.require_hosts(read.certificate.names)
    exists = name in control.changes.current.certificates

    def edit(draft: Draft) -> None:
        store(call, draft, read, source="csr")

    outcome = await make_change(call, edit)
    if outcome.made is not None:
        _path(call, name).unlink(missing_ok=True)
    return changed(
        call,
        outcome,
        ["certificate", "csr", f"--name={name}", "--certificate=certificate.pem"],
        parts=["certificate"],
        findings=read.findings,
        status=200 if exists else 201,
        shown={"certificate": shown_certificate(call, read.certificate, "csr", outcome.snapshot)},
    )
