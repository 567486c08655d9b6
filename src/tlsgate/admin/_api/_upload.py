"""
C{POST /app/https/settings/uploadCertificate}: one curl that puts a certificate into service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ...problems import Problem
from ...settings import Draft
from .._bodies import multipart_content
from .._changing import changed, make_change
from .._operations import Answer, Body, Call, Operations
from .._schemas import Uploaded
from .._tokens import Permission
from ._certificate_parts import UPLOAD_CODES, password_in, read_parts, store, text_part
from ._entries import CHANGE_CODES, editable, effective
from ._shown import shown_certificate
from ._staging import ACTIVATE_AT, Staged, stage

operations = Operations()

PARTS: Final[Mapping[str, str]] = {
    "certificate": "PEM (leaf and intermediates in any order), DER or PKCS#7.",
    "key": "The private key: PKCS#8, PKCS#1 or SEC1; may be encrypted.",
    "chain": "Intermediates, where they are in a file of their own.",
    "password": "Of an encrypted key.",
    "port": "The https binding moves to this port if it listens on another.",
    "name": "The name to store it under; default is “default”.",
}

DEFAULT_NAME: Final = "default"


@operations.operation(
    "POST",
    "/app/https/settings/uploadCertificate",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Store a certificate and its key, and make it the default of the https binding.",
    body=Body(parts=PARTS),
    answers={200: Uploaded, 202: Staged},
    parameters=(ACTIVATE_AT,),
    codes=(*CHANGE_CODES, *UPLOAD_CODES, "port-invalid"),
    change=True,
    scoped=True,
)
async def upload_certificate(call: Call) -> Answer:
    """
    The upload, CONTRACT section 4.
    """
    parts = multipart_content(call, PARTS)
    name = text_part(parts, "name") or DEFAULT_NAME
    port = _port(text_part(parts, "port"))
    binding = _https_binding(call, port)
    read = await read_parts(
        call, {part: parts[part] for part in ("certificate", "key", "chain") if part in parts}, name, password_in(parts)
    )
    ports = call.control.data_plane.ports()
    here = ports.get(binding["name"], 0)
    moves = port not in (0, here)
    if call.principal.hosts and (moves or binding["default_certificate"] != name):
        raise Problem(
            "permission-missing",
            f"{call.principal.name} may only replace the certificate {binding['default_certificate']!r} here.",
        )

    if "activate_at" in call.query:
        if moves:
            raise Problem("parameter-invalid", "The binding moves at once: send “port” without activate_at.")
        return await stage(call, read, (binding["name"],))

    def edit(draft: Draft) -> None:
        store(call, draft, read)
        if binding["default_certificate"] != name:
            editable(draft, "binding", binding["name"])["default_certificate"] = name
        if moves:
            editable(draft, "binding", binding["name"])["endpoint"] = _moved(binding["endpoint"], port)

    outcome = await make_change(call, edit)
    sent: list[str] = ["certificate", "key", *(["chain"] if "chain" in parts else [])]
    locked = ["password"] if "password" in parts else []
    more = {"name": name if "name" in parts else "", "port": str(port or "")}
    options = [f"--{part}={part}.pem" for part in sent] + [f"--{key}={value}" for key, value in more.items() if value]
    return changed(
        call,
        outcome,
        ["certificate", "upload", *options, *(f"--{part}" for part in locked)],
        parts=[*sent, *locked, *(f"{key}={value}" for key, value in more.items() if value)],
        findings=read.findings,
        shown={
            "certificate": shown_certificate(call, read.certificate, read.source, outcome.snapshot),
            "port": port or here,
        },
    )


def _port(text: str | None) -> int:
    if text is None:
        return 0
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise Problem("port-invalid", "The part “port” is not a number from 1 to 65535.")
    return int(text)


def _moved(endpoint: str, port: int) -> str:
    """
    The same endpoint on another port.

    @raise Problem: C{port-invalid}: it is no TCP endpoint.
    """
    found = re.sub(
        r"^(tcp6?:)(?=[0-9])[0-9]+|(?<=:)(port=)[0-9]+", lambda m: f"{m[1] or m[2]}{port}", endpoint, count=1
    )
    if not endpoint.startswith(("tcp:", "tcp6:")) or found == endpoint:
        raise Problem("port-invalid", f"The https binding listens on {endpoint}, which has no port to move.")
    return found


def _https_binding(call: Call, port: int) -> dict[str, Any]:
    """
    The binding that is meant: of several, the one that listens on the port, else the one named C{https}, else the first.
    """
    found = [entry for entry in effective(call, "binding") if entry["scheme"] == "https"]
    if not found:
        raise Problem("invalid-settings", "There is no https binding; add one first: POST /api/v1/bindings.")
    ports = call.control.data_plane.ports()
    return min(found, key=lambda entry: (ports.get(entry["name"]) != port, entry["name"] != "https"))
