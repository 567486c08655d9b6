"""
ACME challenges.
"""

from __future__ import annotations

import pytest

from tlsgate.policy import challenge_answer


@pytest.mark.parametrize(
    ("token", "expected"), [(b"tok", b"k"), (b"other", None), (b"tok?x", None), (b"./tok", None), (b"tok\n", None)]
)
def test_exact_token_only(token: bytes, expected: bytes | None) -> None:
    """Only the exact target of a live token is answered."""
    assert challenge_answer(b"/.well-known/acme-challenge/" + token, {b"tok": b"k"}) == expected
