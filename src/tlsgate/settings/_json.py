"""
JSON from people we do not trust, and RFC 7396 merge patches.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from ..problems import Problem

__all__ = ["DEEPEST", "merge_patch", "parse_json"]

#: Levels of lists and objects; the settings document has six.
DEEPEST: Final = 32

#: Digits of one number; Python itself refuses 4300.
LONGEST_NUMBER: Final = 100

# Whole strings are passed over at once: a batch of certificates is megabytes of them, and has few brackets.
STRUCTURE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]', re.DOTALL)


def parse_json(content: bytes, limit: int = 1024 * 1024) -> Any:
    """
    Read one JSON value (RFC 8259), more strictly than L{json}: UTF-8, no duplicate keys, no NaN or infinity, no lone
    surrogates, at most L{DEEPEST} levels.

    @param limit: bytes.

    @raise Problem: C{too-large} or C{malformed-json}.
    """
    if len(content) > limit:
        raise Problem("too-large", f"The JSON document is larger than {limit} bytes.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    if _depth(text) > DEEPEST:
        raise _malformed(f"it is nested more than {DEEPEST} levels deep")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
        _check_strings(value)
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except _Refused as error:
        raise _malformed(str(error)) from None
    return value


def merge_patch(target: Any, patch: Any) -> Any:
    """
    Apply an RFC 7396 merge patch; neither argument is changed.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


class _Refused(Exception):
    """
    Well-formed JSON that we do not take.
    """


def _malformed(why: str) -> Problem:
    return Problem("malformed-json", f"The body is not JSON that can be read: {why}.")


def _depth(text: str) -> int:
    """
    The deepest nesting, found without recursion, so that it can be refused before L{json} recurses.
    """
    deepest = depth = 0
    for match in STRUCTURE.finditer(text):
        first = text[match.start()]
        if first in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in "]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        _check(key)
        if key in found:
            raise _Refused(f"the key {key[:80]!r} stands twice in one object")
        found[key] = value
    return found


def _check_strings(value: Any) -> None:
    """
    @raise _Refused: a string cannot be encoded; keys were checked by L{_object}.
    """
    if isinstance(value, str):
        _check(value)
    elif isinstance(value, list):
        for item in value:
            _check_strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            _check_strings(item)


def _check(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _Refused("a string holds a lone surrogate") from None


def _constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not a JSON number")


def _float(text: str) -> float:
    if len(text) > LONGEST_NUMBER or not math.isfinite(number := float(text)):
        raise _Refused("a number is too large")
    return number


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise _Refused("a number is too large")
    return int(text)
