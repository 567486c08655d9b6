"""
The OpenAPI 3.1 document, made of the registry of operations.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from .. import __version__
from ..problems import STATUS_OF_CODE
from ._operations import PATH_PARAMETERS, Body, Operation, Operations, Parameter, Schema
from ._problem import PROBLEM_JSON
from ._schemas import ProblemDocument
from ._session import COOKIE

__all__ = ["openapi_document"]

#: Problems that every operation can meet.
COMMON_CODES: Final = (
    "malformed-json",
    "parameter-invalid",
    "token-missing",
    "token-invalid",
    "permission-missing",
    "host-refused",
    "origin-refused",
    "too-large",
    "unsupported-media-type",
    "too-many-attempts",
    "internal",
)

PATH_DESCRIPTIONS: Final = {
    "name": "The object's name.",
    "id": "The object's identifier.",
    "number": "The generation's number.",
}


class _Components:
    """
    The schemas that the document refers to, collected while it is written.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def refer(self, schema: Schema) -> dict[str, Any]:
        """
        A schema to put into the document; its parts become components.
        """
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            whole = schema.model_json_schema(mode="validation", ref_template="#/components/schemas/{model}")
            self._take(whole.pop("$defs", {}))
            self.schemas.setdefault(schema.__name__, whole)
            return {"$ref": f"#/components/schemas/{schema.__name__}"}
        found: dict[str, Any] = _moved(copy.deepcopy(dict(schema)))
        found.pop("$schema", None)
        self._take(found.pop("$defs", {}))
        return found

    def _take(self, definitions: Mapping[str, Any]) -> None:
        for name, definition in definitions.items():
            self.schemas.setdefault(name, definition)


def _moved(value: Any) -> Any:
    """
    The same schema with its references pointing to the document's components.
    """
    if isinstance(value, dict):
        return {
            key: member.replace("#/$defs/", "#/components/schemas/")
            if key == "$ref" and isinstance(member, str)
            else _moved(member)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [_moved(member) for member in value]
    return value


def openapi_document(operations: Operations) -> dict[str, Any]:
    """
    Describe all operations with their parameters, contents, answers and problems.
    """
    components = _Components()
    problem = components.refer(ProblemDocument)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.template, {})[operation.method.lower()] = _operation(operation, components, problem)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tlsgate admin API",
            "version": __version__,
            "description": "What is served by the gate, and how to change it.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "https://127.0.0.1:8444"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token that begins with tlsg_."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "Signed in by POST /api/v1/session; each request needs X-CSRF-Token as well.",
                },
            },
        },
    }


def _operation(operation: Operation, components: _Components, problem: Mapping[str, Any]) -> dict[str, Any]:
    description = operation.permission.value if operation.permission is not None else "none"
    shown: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Permission: {description}.",
        "tags": [_tag(operation)],
        "parameters": [
            *(_path_parameter(name) for name in operation.path_parameters),
            *(_query_parameter(parameter) for parameter in operation.parameters),
            *(_CHANGE_FIELDS if operation.change else ()),
            *((_PREFER,) if operation.long else ()),
            *((_LAST_EVENT,) if EVENT_STREAM in operation.media and not operation.path_parameters else ()),
        ],
        "responses": _responses(operation, components, problem),
    }
    if operation.open:
        shown["security"] = []
    if operation.local:
        shown["security"] = [{"token": []}, {"session": []}, {}]
    if operation.body is not None:
        shown["requestBody"] = _body(operation.body, components)
    return shown


def _tag(operation: Operation) -> str:
    match = re.match(r"/api/v1/([a-z]+)", operation.template)
    return match[1] if match else "certificates" if operation.change else "observation"


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": PATH_DESCRIPTIONS[name],
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999}
        if name == "number"
        else {"type": "string", "pattern": f"^{PATH_PARAMETERS[name]}$"},
    }


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.schema)
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": {"type": "array", "items": schema} if parameter.repeatable else schema,
    }


_CHANGE_FIELDS: Final = (
    {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": 'The generation that must be current, as an entity tag: "42".',
        "schema": {"type": "string"},
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A change sent again with the same key is not made again; its first answer is given.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
)


_PREFER: Final = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "respond-async: answer 202 at once, with an operation to follow (RFC 7240).",
    "schema": {"type": "string"},
}


EVENT_STREAM: Final = "text/event-stream"

_LAST_EVENT: Final = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The number of the last event that was seen, to go on from there.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
}

#: The schema of an event stream is that of each of its events.
_EVENT: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Its number."},
        "event": {
            "enum": [
                *("generation", "certificate", "order", "operation", "upstream"),
                *("traffic", "plain_http", "missed"),
            ]
        },
        "data": {"type": "string", "contentMediaType": "application/json", "description": "A JSON object."},
    },
    "required": ["id", "event", "data"],
}


def _body(body: Body, components: _Components) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if body.json is not None:
        schema = components.refer(body.json)
        content.update({media: {"schema": schema if "json" in media else {"type": "string"}} for media in body.media})
    if body.parts:
        content["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "properties": {
                    name: {"type": "string", "description": description} for name, description in body.parts.items()
                },
                "additionalProperties": False,
            }
        }
    return {"required": body.required, "content": content}


def _implied_codes(operation: Operation) -> Iterator[str]:
    """
    Problems that follow from what an operation takes.
    """
    if operation.path_parameters:
        yield "not-found"
    if operation.body is not None and operation.body.json is not None:
        yield "invalid-settings"
    if operation.body is not None and operation.body.parts:
        yield "malformed-multipart"
    if operation.change:
        yield "generation-moved"


def _responses(operation: Operation, components: _Components, problem: Mapping[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, schema in operation.answers.items():
        response: dict[str, Any] = {"description": operation.summary}
        if schema is not None:
            response["content"] = {"application/json": {"schema": components.refer(schema)}}
        for media in operation.media if status != 204 else ():
            if media != "application/json":
                content = {"schema": _EVENT if media == EVENT_STREAM else {"type": "string"}}
                response.setdefault("content", {})[media] = content
        responses[str(status)] = response
    by_status: dict[int, list[str]] = {}
    for code in (*COMMON_CODES, *_implied_codes(operation), *operation.codes):
        codes = by_status.setdefault(STATUS_OF_CODE[code], [])
        if code not in codes:
            codes.append(code)
    for status, codes in sorted(by_status.items()):
        response = {
            "description": ", ".join(codes),
            "content": {PROBLEM_JSON: {"schema": dict(problem)}},
        }
        if status == 401:
            response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
        if status == 429:
            response["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
        responses[str(status)] = response
    return responses
