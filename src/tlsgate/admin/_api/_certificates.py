"""
C{/api/v1/certificates}: what can be served, and how it gets here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...certificates import LocalAuthority, ReadResult, self_signed
from ...changes import Outcome
from ...problems import Problem
from ...settings import Draft, StoredCertificate
from ...sites import ServerCertificate
from .._bodies import media_type, model_content, multipart_content
from .._changing import changed, make_change
from .._operations import Answer, Body, Call, Operations
from .._schemas import (
    CertificateChanged,
    CertificateDocument,
    CertificateList,
    CertificateObject,
    Changed,
    SelfSignedRequest,
)
from .._tokens import Permission
from ._certificate_parts import UPLOAD_CODES, password_in, read_parts, refuse_files, store, text_part
from ._entries import CHANGE_CODES
from ._shown import certificates_content, object_content, shown_certificate, source_of
from ._staging import ACTIVATE_AT, Staged, stage

operations = Operations()

PARTS: Final[Mapping[str, str]] = {
    "certificate": "PEM (leaf and intermediates in any order), DER or PKCS#7.",
    "key": "The private key: PKCS#8, PKCS#1 or SEC1; may be encrypted.",
    "chain": "Intermediates, where they are in a file of their own.",
    "pfx": "A PKCS#12 file instead of certificate and key.",
    "password": "Of an encrypted key or PKCS#12 file.",
    "name": "The name to store it under.",
}


def _find(call: Call) -> Any:
    changes = call.control.changes
    name = call.parameters["name"]
    stored = changes.current.certificates.get(name)
    found = changes.snapshot.certificates.get(name) or (stored and stored.certificate)
    if not found:
        raise Problem("not-found", f"There is no certificate named {name!r}.")
    return found


@operations.operation(
    "GET",
    "/api/v1/certificates",
    permission=Permission.VIEW_SETTINGS,
    summary="List the certificates.",
    answers={200: CertificateList},
)
async def list_certificates(call: Call) -> Answer:
    """
    All certificates.
    """
    number = call.control.changes.current.number
    return Answer(content=object_content({"certificates": await certificates_content(call)}), etag=number)


@operations.operation(
    "GET",
    "/api/v1/certificates/{name}",
    permission=Permission.VIEW_SETTINGS,
    summary="Show a certificate, never its key.",
    answers={200: CertificateObject},
    codes=("not-found",),
)
async def show_certificate(call: Call) -> Answer:
    """
    One certificate.
    """
    changes = call.control.changes
    certificate = _find(call)
    shown = shown_certificate(call, certificate, source_of(changes.current, certificate.name), changes.snapshot)
    return Answer(document=shown, etag=changes.current.number)


@operations.operation(
    "GET",
    "/api/v1/certificates/{name}/chain.pem",
    permission=Permission.VIEW_SETTINGS,
    summary="The certificate and its chain as PEM, without the key.",
    answers={200: None},
    media=("application/pem-certificate-chain",),
    codes=("not-found",),
)
async def show_chain(call: Call) -> Answer:
    """
    The public part.
    """
    return Answer(
        content=_find(call).chain,
        content_type="application/pem-certificate-chain",
        etag=call.control.changes.current.number,
    )


async def _read(call: Call, name: str | None) -> tuple[ReadResult, list[str]]:
    """
    Read what was sent, as a form or as JSON.

    @param name: that the path gives; C{None} if the content gives it.

    @return: what was read, and the names of the parts.
    """
    if media_type(call.content_type) == "application/json":
        document = model_content(call, CertificateDocument)
        sent_name = document.name
        parts = {
            part: [text.encode("utf-8")]
            for part, text in (
                ("certificate", document.certificate),
                ("key", document.key),
                ("chain", document.chain),
            )
            if text
        }
        password = None if document.password is None else document.password.encode("utf-8")
    else:
        form = multipart_content(call, PARTS)
        sent_name = text_part(form, "name")
        password = password_in(form)
        parts = {part: form[part] for part in ("certificate", "key", "chain", "pfx") if part in form}
    if name is None:
        name = sent_name
        if not name:
            raise Problem("missing-part", "Send the name to store the certificate under, in the part “name”.")
    elif sent_name not in (None, name):
        raise Problem("malformed-multipart", "The name in the content is not the one in the path.")
    read = await read_parts(call, parts, name, password)
    return read, [*parts, *(["password"] if password is not None else [])]


def _answer(call: Call, outcome: Outcome, read: ReadResult, sent: list[str], *, status: int, name: str = "") -> Answer:
    files = {"pfx": "certificate.pfx"}
    verb = ["import-pfx"] if "pfx" in sent else ["upload", "--no-default"]
    options = ["--password" if part == "password" else f"--{part}={files.get(part, part + '.pem')}" for part in sent]
    return changed(
        call,
        outcome,
        ["certificate", *verb, f"--name={read.certificate.name}", *options],
        parts=[*sent, *([f"name={name}"] if name else [])],
        findings=read.findings,
        status=status,
        fields={"Location": f"/api/v1/certificates/{read.certificate.name}"} if status == 201 else None,
        shown={"certificate": shown_certificate(call, read.certificate, read.source, outcome.snapshot)},
    )


@operations.operation(
    "POST",
    "/api/v1/certificates",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Add a certificate; it serves its own names on every https binding.",
    body=Body(json=CertificateDocument, parts=PARTS),
    answers={201: CertificateChanged, 200: CertificateChanged, 202: Staged},
    parameters=(ACTIVATE_AT,),
    codes=(*CHANGE_CODES, *UPLOAD_CODES, "exists"),
    change=True,
    scoped=True,
)
async def add_certificate(call: Call) -> Answer:
    """
    Add a certificate.
    """
    read, sent = await _read(call, None)
    if "activate_at" in call.query:
        return await stage(call, read)
    name = read.certificate.name

    def edit(draft: Draft) -> None:
        if name in draft.certificates:
            raise Problem("exists", f"There is a certificate named {name!r}; PUT replaces it.")
        store(call, draft, read)

    outcome = await make_change(call, edit)
    return _answer(call, outcome, read, sent, status=201, name=name)


@operations.operation(
    "PUT",
    "/api/v1/certificates/{name}",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Replace a certificate in place, or add it.",
    body=Body(json=CertificateDocument, parts=PARTS),
    answers={200: CertificateChanged, 201: CertificateChanged, 202: Staged},
    parameters=(ACTIVATE_AT,),
    codes=(*CHANGE_CODES, *UPLOAD_CODES),
    change=True,
    scoped=True,
)
async def put_certificate(call: Call) -> Answer:
    """
    Replace or add a certificate.
    """
    name = call.parameters["name"]
    read, sent = await _read(call, name)
    if "activate_at" in call.query:
        return await stage(call, read)
    exists = name in call.control.changes.current.certificates
    outcome = await make_change(call, lambda draft: store(call, draft, read))
    return _answer(call, outcome, read, sent, status=200 if exists else 201)


@operations.operation(
    "POST",
    "/api/v1/certificates/self-signed",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Make a self-signed certificate.",
    body=Body(json=SelfSignedRequest),
    answers={201: CertificateChanged, 200: CertificateChanged},
    codes=(*CHANGE_CODES, "in-use"),
    change=True,
    scoped=True,
)
async def make_self_signed(call: Call) -> Answer:
    """
    Make a self-signed certificate; in place of one with its name.
    """
    asked = model_content(call, SelfSignedRequest)
    control = call.control
    # An RSA key can take seconds to find.
    certificate = await control.changes.in_thread(_make, call, asked)
    call.principal.require_hosts(certificate.names)

    def edit(draft: Draft) -> None:
        refuse_files(call, asked.name)
        old = draft.certificates.get(asked.name)
        if old is not None:
            call.principal.require_hosts(old.certificate.names)
        draft.certificates[asked.name] = StoredCertificate(
            certificate=certificate,
            source="self-signed",
            added_at=control.wall(),
            details={"names": asked.names, "days": asked.days, "key_type": asked.key_type},
        )

    outcome = await make_change(call, edit)
    options = [f"--name={asked.name}", *(f"--names={name}" for name in asked.names)]
    options += [f"--days={asked.days}", f"--key-type={asked.key_type}"]
    options += ["--local-ca"] if asked.issuer == "local-ca" else []
    return changed(
        call,
        outcome,
        ["certificate", "self-signed", *options],
        document=asked.model_dump(mode="json"),
        status=201,
        fields={"Location": f"/api/v1/certificates/{asked.name}"},
        shown={"certificate": shown_certificate(call, certificate, "self-signed", outcome.snapshot)},
    )


def _make(call: Call, asked: SelfSignedRequest) -> ServerCertificate:
    """
    Make a certificate, blocking.
    """
    if asked.issuer == "local-ca":
        authority = LocalAuthority.load_or_create(call.control.state)
        return authority.issue(asked.names, asked.days, name=asked.name, key_type=asked.key_type)
    return self_signed(asked.name, asked.names, days=asked.days, key_type=asked.key_type, now=call.control.wall())


@operations.operation(
    "DELETE",
    "/api/v1/certificates/{name}",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Remove a certificate that nothing depends on.",
    answers={200: Changed},
    codes=(*CHANGE_CODES, "not-found", "in-use"),
    change=True,
    scoped=True,
)
async def remove_certificate(call: Call) -> Answer:
    """
    Remove a certificate.
    """
    certificate = _find(call)
    name = certificate.name
    call.principal.require_hosts(certificate.names)

    def edit(draft: Draft) -> None:
        refuse_files(call, name)
        if draft.certificates.pop(name, None) is None:
            raise Problem("in-use", f"The certificate {name!r} comes from files; remove these.")

    outcome = await make_change(call, edit)
    return changed(call, outcome, ["certificate", "remove", name])
