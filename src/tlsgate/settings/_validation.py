"""
From a document to L{Settings}, or to everything that is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..problems import Problem, ProblemError
from ._consistency import Objects, inconsistencies
from ._generations import Document
from ._schema import BindingSettings, CertificateSettings, Settings, SiteSettings, UpstreamSettings
from ._suggest import known_keys, nearest

__all__ = ["default_document", "json_schema", "pointer_of", "validate_document", "validate_overlay"]

M = TypeVar("M", bound=BaseModel)

#: pydantic's kinds of error to our codes and sentences; the rest keeps pydantic's words.
SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "missing": ("missing", "This key is required."),
    "bool_type": ("wrong-type", "This must be true or false."),
    "int_type": ("wrong-type", "This must be a whole number."),
    "int_from_float": ("wrong-type", "This must be a whole number."),
    "float_type": ("wrong-type", "This must be a number."),
    "finite_number": ("out-of-range", "This must be a finite number."),
    "string_type": ("wrong-type", "This must be a string."),
    "string_unicode": ("invalid-value", "This string is not valid Unicode."),
    "tuple_type": ("wrong-type", "This must be a list."),
    "model_type": ("wrong-type", "This must be a table."),
    "model_attributes_type": ("wrong-type", "This must be a table."),
    "greater_than": ("out-of-range", "This must be more than {gt}."),
    "greater_than_equal": ("out-of-range", "This must be at least {ge}."),
    "less_than": ("out-of-range", "This must be less than {lt}."),
    "less_than_equal": ("out-of-range", "This must be at most {le}."),
    "literal_error": ("invalid-value", "This must be {expected}."),
    "string_pattern_mismatch": ("invalid-value", "This does not match {pattern}."),
    "string_too_long": ("out-of-range", "This has at most {max_length} characters."),
    "string_too_short": ("out-of-range", "This must not be empty."),
    "too_short": ("out-of-range", "This list needs an entry."),
    "too_long": ("out-of-range", "This list has at most {max_length} entries."),
}

#: At most this many errors are told at once.
MOST_ERRORS: Final = 100


def default_document() -> Document:
    """
    Generation 1 when neither options nor C{--initial} say anything: two bindings in front of the demo application.
    """
    return {
        "binding": [
            {"name": "http", "scheme": "http", "endpoint": "tcp:8080"},
            {"name": "https", "scheme": "https", "endpoint": "tcp:8443", "default_certificate": "default"},
        ],
        "site": [{"name": "default", "hosts": ["*"], "upstream": "app"}],
        "upstream": [{"name": "app", "servers": [{"url": "demo:"}]}],
    }


def validate_document(document: object) -> Settings:
    """
    Read a whole document.

    @param document: JSON or TOML values.

    @raise Problem: C{invalid-settings}, with every wrong value at once (at most 100).
    """
    errors: list[ProblemError] = []
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        errors.extend(_errors_of(error))
    errors.extend(inconsistencies(_objects(document)))
    if settings is None or errors:
        raise invalid(errors)
    return settings


def validate_overlay(overlay: object) -> None:
    """
    Check a document that only has to be complete together with another: what is there must be right.  Entries of
    lists need a name.

    @raise Problem: C{invalid-settings}, with every wrong value at once.
    """
    try:
        Settings.model_validate(overlay)
    except ValidationError as error:
        errors = [found for found in _errors_of(error) if found.code != "missing" or found.pointer.endswith("/name")]
        if errors:
            raise invalid(errors) from None


def invalid(errors: Iterable[ProblemError]) -> Problem:
    """
    The problem of a document with these errors.
    """
    told = tuple(errors)[:MOST_ERRORS]
    first = f"{told[0].pointer or 'the document'}: {told[0].message}"
    more = f" ({len(told) - 1} more)" if len(told) > 1 else ""
    return Problem("invalid-settings", first + more, errors=told)


@cache
def json_schema() -> Mapping[str, Any]:
    """
    The schema of the document: JSON Schema 2020-12.  Everybody is given the same: it is not to be changed.
    """
    schema = Settings.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "tlsgate settings"}


def pointer_of(path: Iterable[str | int]) -> str:
    """
    The JSON pointer (RFC 6901) of a path.
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _errors_of(error: ValidationError) -> list[ProblemError]:
    errors = error.errors(include_url=False, include_input=False)
    # A list whose only entry is wrong also counts as empty: that is not worth telling.
    inner = {details["loc"][:-1] for details in errors} | {details["loc"][:-2] for details in errors}
    return [_error_of(details) for details in errors if details["type"] != "too_short" or details["loc"] not in inner]


def _error_of(details: ErrorDetails) -> ProblemError:
    path = details["loc"]
    kind = details["type"]
    pointer = _printable(pointer_of(path))
    if kind == "extra_forbidden":
        key = str(path[-1])
        known = known_keys(path[:-1])
        meant = nearest(key, known)
        hint = f"did you mean {meant!r}?" if meant else f"known are {', '.join(known)}."
        return ProblemError(pointer, "unknown-key", _printable(f"There is no key {key[:80]!r} here; {hint}"))
    code, sentence = SENTENCES.get(kind, ("", ""))
    if not code:
        code = kind if kind in {"wrong-type", "invalid-value"} else "invalid-value"
        return ProblemError(pointer, code, _printable(details["msg"]))
    return ProblemError(pointer, code, _printable(sentence.format_map(details.get("ctx", {}))))


def _printable(text: str) -> str:
    """
    Text that can be encoded: keys of a hostile document may hold lone surrogates.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _objects(document: object) -> Objects:
    names: set[str] = set()
    upstreams = _entries(document, "upstream")
    for _, entry in upstreams:
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
            names.add(entry["name"])
    return Objects(
        bindings=_valid(_entries(document, "binding"), BindingSettings),
        sites=_valid(_entries(document, "site"), SiteSettings),
        upstreams=_valid(upstreams, UpstreamSettings),
        certificates=_valid(_entries(document, "certificate"), CertificateSettings),
        upstream_names=frozenset(names),
    )


def _entries(document: object, kind: str) -> list[tuple[int, Any]]:
    found = document.get(kind) if isinstance(document, Mapping) else None
    return list(enumerate(found)) if isinstance(found, list | tuple) else []


def _valid(entries: list[tuple[int, Any]], model: type[M]) -> list[tuple[int, M]]:
    valid: list[tuple[int, M]] = []
    for index, entry in entries:
        try:
            valid.append((index, model.model_validate(entry)))
        except ValidationError:
            continue
    return valid
