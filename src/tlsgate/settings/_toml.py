"""
The settings document as TOML (U{https://toml.io/en/v1.0.0}): read with the standard library, written here.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..problems import Problem, ProblemError
from ._generations import Document

__all__ = ["parse_toml", "read_toml", "sentences", "to_toml"]

BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")

#: The longest table that is written on one line, characters.
INLINE: Final = 100

LARGEST: Final = 1024 * 1024


def parse_toml(text: str) -> Document:
    """
    Read a TOML document.

    @raise Problem: C{invalid-settings}, with line and column.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"This is not TOML: {error}."
        raise Problem("invalid-settings", message, errors=[ProblemError("", "malformed-toml", message)]) from None
    except RecursionError:
        message = "This is not TOML that can be read: it is nested too deeply."
        raise Problem("invalid-settings", message, errors=[ProblemError("", "malformed-toml", message)]) from None


def read_toml(path: Path) -> tuple[Document, str]:
    """
    Read a TOML file.

    @return: the document, and the text for L{sentences}.

    @raise Problem: C{invalid-settings}: it cannot be read, is not UTF-8 or is not TOML.
    """
    try:
        if not path.is_file():
            raise Problem("invalid-settings", "There is no such file.")
        with path.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise Problem("invalid-settings", f"It cannot be read: {error.strerror}.") from None
    if len(content) > LARGEST:
        raise Problem("invalid-settings", "It is larger than 1 MiB.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("invalid-settings", "It is not UTF-8 text.") from None
    return parse_toml(text), text


def sentences(problem: Problem, source: str, text: str = "") -> Iterator[str]:
    """
    The errors of a problem as C{source:line: path: sentence}, the line where it can be found.

    @param source: how the document is called, a file name.
    @param text: the TOML that the problem is about.
    """
    if not problem.errors:
        yield f"{source}: {problem.detail}"
    for error in problem.errors:
        line = line_of(text, error.pointer)
        where = f"{source}:{line}" if line else source
        path = error.pointer.removeprefix("/").replace("~1", "/").replace("~0", "~")
        yield f"{where}: {path}: {error.message}" if path else f"{where}: {error.message}"


def line_of(text: str, pointer: str) -> int:
    """
    The line (from 1) of the TOML text where the object of a JSON pointer most likely stands; 0 if it is not found.
    The object's table if its key is not on a line of its own.
    """
    steps = pointer.split("/")[1:]
    lines = text.splitlines()
    start, end, best = 0, len(lines), 0
    prefix = ""
    while steps:
        step = steps.pop(0)
        index = int(steps.pop(0)) if steps and steps[0].isdigit() else 0
        name = prefix + re.escape(step)
        heads = _matches(rf"\s*\[\[?\s*{name}\s*\]", lines, start, end)
        if len(heads) > index:
            start, best = heads[index], heads[index] + 1
            others = _matches(rf"\s*\[(?!\[?\s*{name}\.)", lines, start + 1, end)
            end = others[0] if others else end
            prefix = name + r"\."
            continue
        # Not a table of its own: a key of this one, above its first inner table.
        inner = _matches(r"\s*\[", lines, start + 1 if best else start, end)
        found = _matches(rf"\s*{re.escape(step)}\s*[.=]", lines, start, inner[0] if inner else end)
        return found[0] + 1 if found else best
    return best


def _matches(pattern: str, lines: list[str], start: int, end: int) -> list[int]:
    """
    Which lines from C{start} up to C{end} begin with a pattern.
    """
    compiled = re.compile(pattern)
    return [number for number in range(start, end) if compiled.match(lines[number])]


def to_toml(document: Mapping[str, Any]) -> str:
    """
    Write a document as TOML that L{parse_toml} reads back to an equal one: lists of tables as C{[[name]]}, tables
    inside them inline.  C{None} values are left out.

    @raise TypeError: a value that TOML cannot hold.
    """
    lines: list[str] = []
    tables: list[str] = []
    for key, value in document.items():
        if isinstance(value, Mapping):
            tables += ["", f"[{_key(key)}]", *_assignments(value)]
        elif isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
            for entry in value:
                tables += ["", f"[[{_key(key)}]]", *_assignments(entry)]
        elif value is not None:
            lines.append(f"{_key(key)} = {_value(value)}")
    return "\n".join(lines + tables).lstrip("\n") + "\n"


def _assignments(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        if value is None:
            continue
        text = f"{_key(key)} = {_value(value)}"
        if len(text) > INLINE and isinstance(value, list):
            text = f"{_key(key)} = [\n" + "".join(f"    {_value(item)},\n" for item in value) + "]"
        yield text


def _key(key: str) -> str:
    return key if BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items() if item is not None)
        return f"{{ {inner} }}" if inner else "{}"
    raise TypeError(f"TOML cannot hold {type(value).__name__}")
