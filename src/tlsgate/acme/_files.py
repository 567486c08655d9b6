"""
Private files of this room: whole or not at all, readable by their owner only.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

__all__ = ["private_folder", "read_json", "write_private"]


def private_folder(path: Path) -> Path:
    """
    Make a folder, and those above it, that only its owner can enter.

    @raise OSError: it cannot be made.
    """
    if not path.parent.exists():
        # One by one: for those above it, mkdir does not heed the mode.
        private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def write_private(path: Path, content: bytes) -> None:
    """
    Replace a file in one step, and keep it over a power cut.

    @raise OSError: the old content stands.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_json(path: Path) -> dict[str, Any] | None:
    """
    The object in a file; C{None} for a file that is not there, or damaged.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
