"""
The limits that are documented are the ones that hold.
"""

from __future__ import annotations

import attrs

from tlsgate.http1 import ReaderLimits


def test_defaults() -> None:
    """Sizes in bytes, as the documentation states them."""
    assert attrs.asdict(ReaderLimits()) == {
        "target": 16 * 1024,
        "fields": 64 * 1024,
        "field_lines": 200,
        "trailers": 16 * 1024,
        "trailer_lines": 32,
        "chunk_line": 4 * 1024,
    }
