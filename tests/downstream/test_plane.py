"""
What all channels share.
"""

from __future__ import annotations

from typing import Any

from tlsgate.sites import Limits, Timeouts


def test_the_second(bench: Any) -> None:
    """
    The date is worked out once a second (RFC 9110 section 5.6.7).
    """
    assert bench.plane.date_line == b"Date: Thu, 01 Jan 1970 00:16:40 GMT\r\n"
    bench.advance(5)
    assert bench.plane.date_line == b"Date: Thu, 01 Jan 1970 00:16:45 GMT\r\n"


def test_names_of_requests(bench: Any) -> None:
    """
    No two are alike.
    """
    names = {bench.plane.next_request_id() for _ in range(1000)}
    assert len(names) == 1000
    assert {len(name) for name in names} == {22}


def test_limits_are_the_readers(bench: Any) -> None:
    """
    All that readers bound is taken from the settings.
    """
    bench.plane.set_limits(
        Timeouts(), Limits(target=1, fields=2, field_lines=3, trailers=4, trailer_lines=5, chunk_line=6)
    )
    limits = bench.plane.reader_limits
    assert [limits.target, limits.fields, limits.field_lines] == [1, 2, 3]
    assert [limits.trailers, limits.trailer_lines, limits.chunk_line] == [4, 5, 6]
