"""
How much a peer may make us hold.
"""

from __future__ import annotations

import attrs

__all__ = ["ReaderLimits"]


@attrs.frozen(kw_only=True)
class ReaderLimits:
    """
    What a peer may make a reader hold.  Sizes in bytes.

    @ivar target: of a request's target.
    @ivar fields: of a head's field section; a response's status line counts as well, beyond 1 KiB.
    @ivar field_lines: lines of a head's field section.
    @ivar trailers: of a trailer section.
    @ivar trailer_lines: lines of a trailer section.
    @ivar chunk_line: of the line that begins a chunk.
    """

    target: int = 16 * 1024
    fields: int = 64 * 1024
    field_lines: int = 200
    trailers: int = 16 * 1024
    trailer_lines: int = 32
    chunk_line: int = 4 * 1024
