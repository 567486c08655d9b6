"""
The query of a request, read as its operation declares it.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from ..problems import Problem
from ._operations import Operation

__all__ = ["read_if_match", "read_query"]

#: Names under which people put tokens into queries; there they end up in logs and histories.
TOKEN_NAMES: Final = frozenset({"token", "access_token", "api_key", "apikey", "authorization", "bearer"})

# RFC 9110 section 8.8.3: entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE
ENTITY_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')


def _decode(text: bytes) -> str:
    try:
        return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("parameter-invalid", "The query is not UTF-8.") from None


def read_query(operation: Operation, query: bytes) -> dict[str, Any]:
    """
    The values of an operation's query parameters; those not sent are absent, except repeatable ones, which are empty.

    @raise Problem: C{parameter-invalid}: an unknown parameter, one sent twice, a value of the wrong form, a token.
    """
    declared = {parameter.name: parameter for parameter in operation.parameters}
    values: dict[str, Any] = {p.name: () for p in operation.parameters if p.repeatable}
    for pair in query.split(b"&"):
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name = _decode(raw_name)
        if name.lower() in TOKEN_NAMES:
            raise Problem("parameter-invalid", "A token is never taken from the query; send it as Authorization.")
        parameter = declared.get(name)
        if parameter is None:
            known = ", ".join(declared) or "none"
            raise Problem("parameter-invalid", f"There is no such query parameter; known are: {known}.")
        value = parameter.read(_decode(raw_value))
        if parameter.repeatable:
            values[name] = (*values[name], value)
        elif name in values:
            raise Problem("parameter-invalid", f"The query parameter {name} is sent twice.")
        else:
            values[name] = value
    for parameter in operation.parameters:
        if parameter.required and parameter.name not in values:
            raise Problem("parameter-invalid", f"The query parameter {parameter.name} is missing.")
    return values


def read_if_match(lines: tuple[str, ...], current: int) -> int | None:
    """
    Compare C{If-Match} (RFC 9110 section 13.1.1) with the current generation.

    @param lines: the values of all C{If-Match} fields.

    @return: the generation that must still be current when the change is made; C{None} for any.

    @raise Problem: C{generation-moved}, or C{parameter-invalid} for something that is no list of entity tags.
    """
    if not lines:
        return None
    text = ", ".join(lines).strip()
    if text == "*":
        return None
    tags = [tag.strip() for tag in text.split(",")]
    matches = [ENTITY_TAG.fullmatch(tag) for tag in tags]
    if not all(matches):
        raise Problem("parameter-invalid", 'If-Match is not a generation in quotes, as "42".')
    # A weak tag never matches here: the comparison is the strong one.
    if any(match is not None and not match[1] and match[2] == str(current) for match in matches):
        return current
    raise Problem(
        "generation-moved", f"The generation is {current} now; read it again and decide anew.", generation=current
    )
