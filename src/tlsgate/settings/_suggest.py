"""
Which known key an unknown one was meant to be.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import get_args

from pydantic import BaseModel

from ._schema import Settings

__all__ = ["known_keys", "nearest", "table_in"]


def known_keys(path: tuple[str | int, ...]) -> tuple[str, ...]:
    """
    The keys of the table at a path of the document, list indices included; empty where there is no table.
    """
    table: type[BaseModel] = Settings
    for step in path:
        if isinstance(step, int):
            continue
        for name, field in table.model_fields.items():
            if (field.alias or name) == step:
                inner = table_in(field.annotation)
                if inner is None:
                    return ()
                table = inner
                break
        else:
            return ()
    return tuple(field.alias or name for name, field in table.model_fields.items())


def nearest(key: str, known: tuple[str, ...]) -> str:
    """
    The known key that is most like C{key}, or an empty string.
    """
    found = get_close_matches(key[:64].lower().replace("-", "_"), known, n=1, cutoff=0.6)
    return found[0] if found else ""


def table_in(annotation: object) -> type[BaseModel] | None:
    """
    The table that a field's type holds, in a list or alone; C{None} for a plain value.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = table_in(inner)
        if found is not None:
            return found
    return None
