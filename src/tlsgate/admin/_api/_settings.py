"""
C{/api/v1/settings}: the whole document.
"""

from __future__ import annotations

import json
from typing import Any

from ...problems import Problem
from ...settings import Document, Draft, hide_secrets, json_schema, keep_secrets, merge_patch, parse_toml, to_toml
from .._bodies import json_object, media_type
from .._changing import changed, make_change
from .._operations import Answer, Body, Call, Operations
from .._schemas import Changed
from .._tokens import Permission
from ._entries import CHANGE_CODES
from ._shapes import MERGE_PATCH

operations = Operations()

DOCUMENT = json_schema()

TOML = "application/toml"
JSON = "application/json"
MERGE = "application/merge-patch+json"


@operations.operation(
    "GET",
    "/api/v1/settings",
    permission=Permission.VIEW_SETTINGS,
    summary="The settings document that is in force; as TOML if accepted.",
    answers={200: DOCUMENT},
    media=(JSON, TOML),
)
async def show_settings(call: Call) -> Answer:
    """
    The document itself; it can be sent back with PUT.
    """
    changes = call.control.changes
    current = changes.current
    document = hide_secrets(changes.document)
    if TOML in call.field("accept").lower():
        return Answer(content=to_toml(document).encode(), content_type=TOML, etag=current.number)
    return Answer(document=document, etag=current.number)


@operations.operation(
    "GET",
    "/api/v1/settings/schema.json",
    permission=Permission.VIEW_SETTINGS,
    summary="The JSON Schema of the settings document, for editors and other programs.",
    answers={200: {"type": "object", "required": ["$schema", "$defs", "properties"]}},
    local=True,
)
async def show_schema(call: Call) -> Answer:
    """
    The schema, JSON Schema 2020-12.
    """
    return Answer(document=DOCUMENT)


def _document(call: Call) -> Document:
    """
    The document that was sent, as JSON or TOML.

    @raise Problem: C{malformed-json}, C{unsupported-media-type}, C{invalid-settings}.
    """
    if media_type(call.content_type) != TOML:
        return json_object(call)
    try:
        return parse_toml(call.content.decode("utf-8"))
    except UnicodeDecodeError:
        raise Problem("invalid-settings", "The content is not UTF-8 text.") from None


@operations.operation(
    "PUT",
    "/api/v1/settings",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Replace the settings document, by one in JSON or TOML.",
    body=Body(json=DOCUMENT, media=(JSON, TOML)),
    answers={200: Changed},
    codes=(*CHANGE_CODES, "in-use"),
    change=True,
)
async def put_settings(call: Call) -> Answer:
    """
    Replace the whole document.
    """
    body = _document(call)

    def edit(draft: Draft) -> None:
        draft.document = keep_secrets(body, draft.document)

    outcome = await make_change(call, edit)
    shown: Any = hide_secrets(body)
    if media_type(call.content_type) == TOML:
        shown = to_toml(shown)
    return changed(call, outcome, ["apply", "tlsgate.toml"], document=shown)


@operations.operation(
    "PATCH",
    "/api/v1/settings",
    permission=Permission.CHANGE_HTTPS_SETTINGS,
    summary="Change members of the settings document (RFC 7396).",
    body=Body(json=MERGE_PATCH, media=(MERGE, JSON)),
    answers={200: Changed},
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
