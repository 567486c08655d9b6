"""
Private files of this room: whole or not at all, readable by their owner only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["private_folder", "read_json"]


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


def read_json(path: Path) -> dict[str, Any] | None:
    """
    The object in a file; C{None} for a file that is not there, or damaged.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
