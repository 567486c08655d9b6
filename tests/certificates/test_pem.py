"""
PEM blocks, in linear time.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.certificates._pem import MAX_BLOCKS, Block, blocks, decode

ONE = b"-----BEGIN A-----\nAAAA\n-----END A-----\n"


def test_blocks_in_order() -> None:
    """
    Blocks are given in their order, with the fields of old encryption apart.
    """
    old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,00\n\nAAAA\n-----END RSA PRIVATE KEY-----"
    found = list(blocks(b"before\n" + ONE + b"between\n" + old))
    assert found == [
        Block("A", b"\0\0\0"),
        Block("RSA PRIVATE KEY", b"\0\0\0", (b"Proc-Type: 4,ENCRYPTED", b"DEK-Info: X,00")),
    ]
    assert [list(blocks(block.as_pem())) for block in found] == [[block] for block in found]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"-----BEGIN A-----\nAAAA\n", "no END"),
        (b"-----BEGIN A-----\nAAAA\n-----END B-----\n", "does not end"),
        (b"-----BEGIN A-----\nAAAA\n" + ONE, "does not end"),
        (b"-----BEGIN A-----\nA*AA\n-----END A-----\n", "base64"),
        (ONE * (MAX_BLOCKS + 1), "more than"),
    ],
)
def test_damaged_blocks(text, why) -> None:
    """
    A block that is cut, nested, misnamed, no base64, or one too many is an error that says so.
    """
    with pytest.raises(ValueError, match=why):
        list(blocks(text))


@pytest.mark.parametrize("piece", [b"-----BEGIN A-----\n", b"-----BEGIN ", b"-----END A-----", b"-", b"A: b\n"])
def test_takes_linear_time(piece) -> None:
    """
    A megabyte of anything is read at once.
    """
    text = piece * (1_000_000 // len(piece))
    begun = time.process_time()
    try:
        list(blocks(b"-----BEGIN A-----" + text + b"-----END A-----"))
    except ValueError:
        pass
    assert time.process_time() - begun < 1


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes(content) -> None:
    """
    Any bytes decode to bytes, and hold blocks or a fault.
    """
    try:
        list(blocks(ONE[:18] + decode(content)))
    except ValueError as error:
        assert str(error)
