"""
How far a request may still go.
"""

from __future__ import annotations

import pytest

from tlsgate.http1 import ReaderLimits, RequestReader
from tlsgate.policy import hops_left, traced, with_hops_left


@pytest.mark.parametrize(("value", "hops"), [(b"0", 0), (b"1", 1), (b"007", 7), (b"9999999999", 9999999999)])
def test_hops_left(value: bytes, hops: int) -> None:
    """
    One number, however its field is written.
    """
    assert hops_left([(b"Host", b"a"), (b"MAX-Forwards", value)]) == hops


@pytest.mark.parametrize(
    "values", [[], [b""], [b"-1"], [b"+1"], [b"1.0"], [b"1_0"], [b" 1"], [b"0x1"], [b"1" * 11], [b"\xb2"], [b"1", b"1"]]
)
def test_no_number(values: list[bytes]) -> None:
    """
    Anything else is none.
    """
    with pytest.raises(ValueError):
        hops_left([(b"Max-Forwards", value) for value in values])


def test_with_hops_left() -> None:
    """
    That line alone is another, at its place and spelled as it was.
    """
    fields = b"X-Max-Forwards: 5\r\nmax-forwards: 5\r\nA: Max-Forwards: 5\r\n"
    assert with_hops_left(fields, 4) == b"X-Max-Forwards: 5\r\nmax-forwards: 4\r\nA: Max-Forwards: 5\r\n"


def test_traced() -> None:
    """
    The request as it came, without what might be secret.
    """
    reader = RequestReader(ReaderLimits())
    told = b"TRACE /a?b HTTP/1.1\r\nHost: a\r\nVia: 1.1 one\r\n%bmax-forwards: 0\r\nVia: 1.1 two\r\n\r\n"
    reader.receive_data(told % b"Cookie: c\r\nAuthorization: d\r\nX-Api-Key: e\r\n")
    assert traced(reader.next_event()) == told % b""  # type: ignore[arg-type]  # it is a head
