"""
C{/api/v1/export} and C{/api/v1/import}: a whole node as one encrypted file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from ...changes import Backup, make_backup, read_backup, side_files, write_side_files
from ...problems import Problem
from ...settings import Draft
from .._bodies import model_content, multipart_content
from .._changing import changed, make_change
from .._long_operations import Progress, run_long
from .._operations import Answer, Body, Call, Operations
from .._schemas import Asked, Changed, Shown
from .._tokens import Permission
from ._entries import CHANGE_CODES
from ._operations import LongOperationShown

operations = Operations()

#: Of a node that runs already these stay its own: its administrators trust this CA, and tokens are added one by one.
OWN: Final = frozenset({"tokens.json", "admin-ca.key", "admin-ca.pem"})

#: Bytes of a backup that a running gate takes: some ten thousand certificates.
LARGEST: Final = 64 * 1024 * 1024

STEPS: Final = 3

PARTS: Final[Mapping[str, str]] = {
    "backup": "The file that POST /api/v1/export answered.",
    "passphrase": "The one that it was made with.",
}


class ExportRequest(Asked):
    """
    How to encrypt a backup.
    """

    passphrase: Annotated[str, Field(min_length=8, max_length=1000)]


class Restored(Shown):
    """
    What a backup brought beside settings and certificates.
    """

    from_generation: int
    tokens: int
    files: list[str]


class ImportChanged(Changed):
    """
    A backup was restored.
    """

    restored: Restored


@operations.operation(
    "POST",
    "/api/v1/export",
    permission=Permission.ADMIN,
    summary="Everything that this node is, encrypted with a passphrase.",
    body=Body(json=ExportRequest),
    answers={200: None},
    media=("application/octet-stream",),
    codes=("storage-failed",),
    audited=True,
)
async def export_node(call: Call) -> Answer:
    """
    Make a backup.
    """
    asked = model_content(call, ExportRequest)
    control = call.control
    control.tokens.flush()
    current = control.changes.current

    def export() -> bytes:
        return make_backup(Backup(generation=current, files=side_files(control.state)), asked.passphrase)

    content: bytes = await control.changes.in_thread(export)
    return Answer(
        content=content,
        content_type="application/octet-stream",
        fields={"Content-Disposition": f'attachment; filename="tlsgate-{current.number}.backup"'},
        etag=current.number,
    )


@operations.operation(
    "POST",
    "/api/v1/import",
    permission=Permission.ADMIN,
    summary="Make this node what a backup holds; its own tokens and its admin CA stay.",
    body=Body(parts=PARTS, largest=LARGEST),
    answers={200: ImportChanged, 202: LongOperationShown},
    codes=(*CHANGE_CODES, "missing-part", "in-use", "backup-unreadable", "wrong-password"),
    change=True,
    long=True,
)
async def import_node(call: Call) -> Answer:
    """
    Restore a backup: settings and certificates as one change, then what stands beside them.
    """
    control = call.control
    # Parting many megabytes takes long enough for others to notice.
    form: dict[str, list[bytes]] = await control.changes.in_thread(multipart_content, call, PARTS)
    for part in PARTS:
        if len(form.get(part, ())) != 1:
            raise Problem("missing-part", f"Send the part “{part}” once.")
    passphrase = form["passphrase"][0].decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
    return await run_long(call, "import", lambda progress: _restore(call, form["backup"][0], passphrase, progress))


async def _restore(call: Call, content: bytes, passphrase: str, progress: Progress) -> Answer:
    control = call.control
    progress(0, STEPS, "The backup is opened.")
    backup: Backup = await control.changes.in_thread(read_backup, content, passphrase)
    generation = backup.generation
    progress(1, STEPS, f"Generation {generation.number} of the backup is put into service.")

    def edit(draft: Draft) -> None:
        draft.document = control.changes.pins.apply(generation.document)
        draft.certificates = dict(generation.certificates)
        draft.memory = {**draft.memory, **generation.memory}

    outcome = await make_change(call, edit)
    progress(2, STEPS, "Accounts and tokens are added.")
    new = {name: content for name, content in backup.files.items() if name not in OWN}
    added = 0
    if not call.query.get("dry_run"):
        new = {name: content for name, content in new.items() if not (control.state / name).exists()}
        await control.changes.in_thread(write_side_files, control.state, new)
        added = control.tokens.restore(backup.files.get("tokens.json", b'{"tokens": []}'))
    return changed(
        call,
        outcome,
        ["import", "tlsgate.backup"],
        parts=["backup", "passphrase"],
        shown={"restored": {"from_generation": generation.number, "tokens": added, "files": sorted(new)}},
    )
