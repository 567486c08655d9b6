"""
The shapes in which objects of the settings document are answered, for the OpenAPI document.

What is sent may have no unknown members; what is answered may have more, such as the port that a binding has now.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from ...settings import json_schema
from .._schemas import Changed

__all__ = ["MERGE_PATCH", "changed_schema", "list_schema", "shown_schema", "with_lists"]

#: RFC 7396: any object; what comes of it is validated as a whole.
MERGE_PATCH: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "Members to change, as RFC 7396 says: null puts one back to its default.",
}

Schema = dict[str, Any]


def shown_schema(model: str, **more: Mapping[str, Any]) -> Schema:
    """
    The JSON Schema of one table of the settings document as it is answered: with every default filled in.

    @param model: its name in the settings' schema.
    @param more: schemas of members that are answered beside the settings, or in place of one.
    """
    definitions = json_schema()["$defs"]
    shown: Schema = copy.deepcopy(definitions[model])
    shown.pop("additionalProperties", None)
    shown["properties"].update(more)
    shown["required"] = list(shown["properties"])
    return {**shown, "$defs": definitions}


def list_schema(member: str, entry: Schema) -> Schema:
    """
    An object whose only member is the list of all entries.
    """
    inner = dict(entry)
    definitions = inner.pop("$defs", {})
    return {
        "type": "object",
        "properties": {member: {"type": "array", "items": inner}},
        "required": [member],
        "$defs": definitions,
    }


def with_lists(document: type[BaseModel], **entries: Schema) -> Schema:
    """
    The schema of a document some of whose members are lists of objects of the settings document.

    @param entries: by the members' names, as L{shown_schema} makes them.
    """
    whole = document.model_json_schema()
    definitions = {**whole.pop("$defs", {})}
    for member, entry in entries.items():
        inner = dict(entry)
        definitions |= inner.pop("$defs", {})
        whole["properties"][member] = {"type": "array", "items": inner}
    return {**whole, "$defs": definitions}


def changed_schema(member: str, entry: Schema) -> Schema:
    """
    The answer to a change, with the object that was changed.  After a dry run the object is as it was sent, without
    defaults.
    """
    inner = {**entry, "required": [name for name in ("name",) if name in entry["properties"]]}
    definitions = inner.pop("$defs", {})
    whole = Changed.model_json_schema()
    definitions = {**definitions, **whole.pop("$defs", {}), "Changed": whole}
    return {
        "allOf": [
            {"$ref": "#/$defs/Changed"},
            {"type": "object", "properties": {member: inner}, "required": [member]},
        ],
        "$defs": definitions,
    }
