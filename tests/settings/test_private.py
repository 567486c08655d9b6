"""
Private files are replaced whole.
"""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tlsgate.settings import write_private


def test_replaces_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    """
    The new content stands under the name, private, and no draft is left.
    """
    path = tmp_path / "tokens.json"
    path.write_bytes(b"old")
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_leaves_the_old_content_where_it_cannot_write(tmp_path: Path) -> None:
    """
    What cannot be replaced stays, and no draft is left.
    """
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_private(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
