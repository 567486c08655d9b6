"""
Secrets in the settings document.

A secret is a string, C{{ env = "NAME" }} or C{{ file = "PATH" }} (its content without the last line end).  The two
references are shown as they are; a literal is write-only: L{hide_secrets} shows it as C{{"set": true}}, and
L{keep_secrets} takes C{{"set": true}} in a changed document to mean the literal that is already there, so that what
was read can be sent back.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from ._generations import Document

__all__ = ["Secret", "hide_secrets", "keep_secrets"]

#: What stands in for a literal wherever a document is shown.
HIDDEN: Final = {"set": True}

#: Where secrets are: the list or table, and the key.
PLACES: Final = (
    ("certificate", "password"),
    ("acme", "eab_hmac_key"),
    ("acme", "fallback_eab_hmac_key"),
    ("alerts", "webhook"),
    ("alerts", "webhook_secret"),
    ("alerts", "smtp_password"),
)

LARGEST: Final = 64 * 1024


@attrs.frozen
class Secret:
    """
    A secret as it is configured; never shows a literal.

    @ivar env: name of an environment variable, or empty.
    @ivar file: path of a file, or empty.
    """

    _literal: str = attrs.field(default="", repr=False)
    env: str = ""
    file: str = ""

    def __bool__(self) -> bool:
        return bool(self._literal or self.env or self.file)

    @classmethod
    def from_document(cls, value: object) -> Secret:
        """
        Read what stands in a document.

        @raise ValueError: with a sentence that does not repeat the value.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(value)
        if isinstance(value, Mapping) and len(value) == 1:
            (kind, name), *_ = value.items()
            if kind in {"env", "file"} and isinstance(name, str) and name and "\0" not in name:
                return cls(**{kind: name})
        raise ValueError('a secret is a string, { env = "NAME" } or { file = "PATH" }')

    def shown(self) -> object:
        """
        The secret as a document may show it.
        """
        if self.env:
            return {"env": self.env}
        if self.file:
            return {"file": self.file}
        return dict(HIDDEN) if self._literal else ""

    def resolve(self, environ: Mapping[str, str] = os.environ) -> str:
        """
        The secret itself, or an empty string if none is configured.

        @raise ValueError: with a sentence, when the variable or the file is not there.
        """
        if self.env:
            if self.env not in environ:
                raise ValueError(f"the environment variable {self.env} is not set")
            return environ[self.env]
        if self.file:
            path = Path(self.file)
            try:
                if not path.is_file():
                    raise ValueError(f"{self.file} is not a file")
                with path.open("rb") as opened:
                    content = opened.read(LARGEST + 1)
                if len(content) > LARGEST:
                    raise ValueError(f"{self.file} is too large for a secret")
                return content.decode("utf-8").removesuffix("\n").removesuffix("\r")
            except OSError as error:
                raise ValueError(f"{self.file} cannot be read: {error.strerror}") from None
            except UnicodeDecodeError:
                raise ValueError(f"{self.file} is not UTF-8 text") from None
        return self._literal


def hide_secrets(document: Document) -> Document:
    """
    A copy of a document that may be shown: literals are C{{"set": true}}.
    """
    shown = copy.deepcopy(document)
    for table, key, _ in _secrets(shown):
        if isinstance(table[key], str) and table[key]:
            table[key] = dict(HIDDEN)
    return shown


def keep_secrets(new: Document, old: Document) -> Document:
    """
    A copy of a changed document in which every C{{"set": true}} is the literal of the old one.  One that has no old
    literal stays, and fails validation.
    """
    kept = copy.deepcopy(new)
    literals = {where: table[key] for table, key, where in _secrets(old) if isinstance(table[key], str)}
    for table, key, where in _secrets(kept):
        if table[key] == HIDDEN and where in literals:
            table[key] = literals[where]
    return kept


def _secrets(document: Document) -> Iterator[tuple[dict[str, Any], str, tuple[str, str, str]]]:
    """
    Every place of a document that holds a secret: the table, its key, and an identity that survives reordering.
    """
    for place, key in PLACES:
        found = document.get(place) if isinstance(document, dict) else None
        for table in found if isinstance(found, list) else [found]:
            if isinstance(table, dict) and key in table:
                yield table, key, (place, str(table.get("name", "")), key)
