"""
C{/api/v1/settings}: the whole document.
"""

from __future__ import annotations

import json

from ...settings import Draft, hide_secrets, json_schema, keep_secrets, merge_patch, to_toml
from .._bodies import json_object
from .._changing import changed, make_change
from .._operations import Answer, Body, Call, Operations
from .._schemas import ObjectChanged
from .._tokens import Permission
from ._entries import CHANGE_CODES

operations = Operations()

DOCUMENT = json_schema()


@operations.operation(
    "GET",
    "/api/v1/settings",
    permission=Permission.VIEW_SETTINGS,
    summary="The settings document that is in force; as TOML if accepted.",
    answers={200: DOCUMENT},
    media=("application/json", "application/toml"),
)
async def show_settings(call: Call) -> Answer:
    """
    The document itself; it can be sent back with PUT.
    """
    changes = call.control.changes
    current = changes.current
    document = hide_secrets(changes.document)
    if "application/toml" in call.field("accept").lower():
        return Answer(content=to_toml(document).encode(), content_type="application/toml", etag=current.number)
    return Answer(document=document, etag=current.number)


@operations.operation(
    "PUT",
    "/api/v1/settings",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Replace the settings document.",
    body=Body(json=DOCUMENT),
    answers={200: ObjectChanged},
    codes=(*CHANGE_CODES, "in-use"),
    change=True,
)
async def put_settings(call: Call) -> Answer:
    """
    Replace the whole document.
    """
    body = json_object(call)

    def edit(draft: Draft) -> None:
        draft.document = keep_secrets(body, draft.document)

    outcome = await make_change(call, edit)
    return changed(call, outcome, ["apply", "tlsgate.toml"], document=hide_secrets(body))


@operations.operation(
    "PATCH",
    "/api/v1/settings",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Change members of the settings document (RFC 7396).",
    body=Body(json={"type": "object"}, media=("application/merge-patch+json", "application/json")),
    answers={200: ObjectChanged},
    codes=(*CHANGE_CODES, "in-use"),
    change=True,
)
async def patch_settings(call: Call) -> Answer:
    """
    Change members of the document.
    """
    patch = json_object(call)

    def edit(draft: Draft) -> None:
        draft.document = keep_secrets(merge_patch(draft.document, patch), draft.document)

    outcome = await make_change(call, edit)
    shown = hide_secrets(patch)
    command = ["apply", f"--patch={json.dumps(shown, ensure_ascii=False)}"]
    return changed(call, outcome, command, document=shown)
