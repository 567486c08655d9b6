"""
What the operations on generations answer.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .._schemas import Shown

__all__ = ["GenerationConfirmed", "GenerationDiff", "GenerationList", "GenerationShown"]

Number = Annotated[int, Field(ge=1)]


class GenerationRow(Shown):
    """
    One generation in the history.
    """

    number: Number
    parent: Annotated[int, Field(ge=0)]
    time: str
    author: str
    reason: str
    summary: list[str]
    state: Literal["current", "past", "unconfirmed", "undone"]
    confirm_by: str | None
    undoes: Number | None


class GenerationList(Shown):
    """
    The history, newest first.
    """

    generations: list[GenerationRow]


class StoredShown(Shown):
    """
    A certificate that a generation keeps, never its key.
    """

    name: str
    fingerprint: str
    names: list[str]
    not_after: str
    source: str
    added_at: str


class GenerationShown(GenerationRow):
    """
    One generation with its settings, as they are stored: without what options and C{--config} pin.
    """

    document: dict[str, Any]
    certificates: list[StoredShown]


class PatchOperation(Shown):
    """
    A step of a JSON Patch, RFC 6902; a secret shows only that it is another one.
    """

    op: Literal["add", "remove", "replace"]
    path: str
    value: Any = None


class CertificateChange(Shown):
    """
    A certificate that came (C{from} is null), went (C{to} is null) or was replaced; fingerprints.
    """

    name: str
    from_: Annotated[str | None, Field(alias="from")]
    to: str | None


class GenerationDiff(Shown):
    """
    What differs between two generations.
    """

    patch: list[PatchOperation]
    summary: list[str]
    certificates: list[CertificateChange]


class GenerationConfirmed(Shown):
    """
    A generation that is kept.
    """

    generation: Number
    confirmed: Literal[True]
    row: GenerationRow | None = None
