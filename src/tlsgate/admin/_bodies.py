"""
What a request carries: JSON, or the parts of C{multipart/form-data}; always in memory, never in a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from pydantic import BaseModel, ValidationError

from ..problems import Problem, ProblemError
from ..settings import parse_json
from ._operations import MAX_CONTENT, Call

__all__ = ["json_content", "json_object", "media_type", "model_content", "multipart_content"]

MAX_PARTS: Final = 16

# RFC 2046 section 5.1.1: boundary := 0*69<bchars> bcharsnospace
BOUNDARY: Final = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")

Model = TypeVar("Model", bound=BaseModel)


def media_type(content_type: str) -> str:
    """
    The type and subtype of a C{Content-Type}, in lower case.
    """
    return content_type.partition(";")[0].strip().lower()


def json_content(call: Call) -> Any:
    """
    The JSON values of a request.

    @raise Problem: C{malformed-json}, C{unsupported-media-type}.
    """
    body = call.operation.body
    media = body.media if body is not None else ()
    if not call.content and body is not None and not body.required:
        return {}
    sent = media_type(call.content_type)
    if sent not in media:
        raise Problem("unsupported-media-type", f"Send {' or '.join(media)}, not {sent or 'content without a type'}.")
    return parse_json(call.content, body.largest if body is not None else MAX_CONTENT)


def json_object(call: Call) -> dict[str, Any]:
    """
    The JSON object of a request.

    @raise Problem: as L{json_content}, and C{invalid-settings} for other JSON.
    """
    found = json_content(call)
    if not isinstance(found, dict):
        raise Problem(
            "invalid-settings",
            "The content is not a JSON object.",
            errors=[ProblemError("", "invalid-type", "must be an object")],
        )
    return found


def model_content(call: Call, model: type[Model]) -> Model:
    """
    The content as a model.

    @raise Problem: as L{json_content}, and C{invalid-settings} naming each wrong value.
    """
    found = json_object(call)
    try:
        return model.model_validate(found)
    except ValidationError as error:
        # The input is left out: it may hold a secret.
        errors = [
            ProblemError(
                "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in wrong["loc"]),
                wrong["type"].replace("_", "-"),
                wrong["msg"],
            )
            for wrong in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise Problem("invalid-settings", _sentence(errors), errors=errors) from None


def _sentence(errors: list[ProblemError]) -> str:
    first = errors[0]
    return f"{first.pointer or 'The content'}: {first.message}."


def multipart_content(call: Call, parts: Mapping[str, str]) -> dict[str, list[bytes]]:
    """
    The parts of a form by name, in order.

    @param parts: the names that are known; others are refused, so that a mistyped name is not lost.

    @raise Problem: C{malformed-multipart}, C{unsupported-media-type}.
    """
    kind, options = parse_options_header(call.content_type)
    if kind.lower() != "multipart/form-data":
        raise Problem("unsupported-media-type", "Send multipart/form-data, as curl does with -F.")
    boundary = options.get("boundary", "")
    if not BOUNDARY.fullmatch(boundary):
        raise Problem("malformed-multipart", "The Content-Type names no usable boundary.")
    found: dict[str, list[bytes]] = {}
    try:
        with PushMultipartParser(
            boundary,
            content_length=len(call.content),
            max_segment_count=MAX_PARTS,
            max_segment_size=max(1, len(call.content)),
            strict=True,
        ) as parser:
            chunks: list[bytes] = []
            name = ""
            for event in parser.parse(call.content):
                if isinstance(event, MultipartSegment):
                    chunks, name = [], event.name or ""
                    _check_part(event, parts)
                elif event:
                    chunks.append(bytes(event))
                else:
                    found.setdefault(name, []).append(b"".join(chunks))
    except MultipartError as error:
        raise Problem("malformed-multipart", f"The form cannot be read: {error.args[0]}.") from None
    return found


def _check_part(part: MultipartSegment, known: Mapping[str, str]) -> None:
    if part.disposition != "form-data" or not part.name:
        raise Problem("malformed-multipart", "A part of the form has no name.")
    if part.name not in known:
        raise Problem("malformed-multipart", f"A part of the form has an unknown name; known are: {', '.join(known)}.")
