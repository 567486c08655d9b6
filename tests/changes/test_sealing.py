"""
Bytes under a passphrase.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.changes._sealing import COST, HEADER, seal, unseal
from tlsgate.problems import Problem

PASSPHRASE = "correct horse"
#: Small, for speed: the cost stands in the file.
CHEAP = 14

SEALED = seal(b"the content", PASSPHRASE, cost=CHEAP)


def code_of(sealed: bytes, passphrase: str = PASSPHRASE) -> str:
    """
    The code of the refusal.
    """
    with pytest.raises(Problem) as refused:
        unseal(sealed, passphrase)
    return refused.value.code


def test_comes_back() -> None:
    """
    What was sealed comes back with its passphrase, and each time is sealed differently.
    """
    assert unseal(SEALED, PASSPHRASE) == b"the content"
    assert seal(b"the content", PASSPHRASE, cost=CHEAP) != SEALED
    assert b"content" not in SEALED


def test_the_usual_cost_is_dear() -> None:
    """
    A guess takes 128 MiB: 128 * 8 * 2 ** 17 bytes.
    """
    assert 128 * 8 * 2**COST == 128 * 1024 * 1024
    assert unseal(seal(b"x", PASSPHRASE), PASSPHRASE) == b"x"


def test_wrong_passphrase() -> None:
    """
    Another passphrase is told apart from a damaged file.
    """
    assert code_of(SEALED, "correct house") == "wrong-password"
    assert code_of(SEALED, "") == "wrong-password"


def test_short_passphrase() -> None:
    """
    A passphrase that is soon guessed is refused before anything is encrypted.
    """
    with pytest.raises(Problem, match="at least 8"):
        seal(b"x", "1234567", cost=CHEAP)


@settings(deadline=None, max_examples=40)
@given(at=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
def test_any_changed_bit_is_found(at: int, bit: int) -> None:
    """
    Whatever bit differs, the file is refused as damaged and never as a wrong passphrase.
    """
    changed = bytearray(SEALED)
    changed[at] ^= 1 << bit
    assert code_of(bytes(changed)) == "backup-unreadable"


@pytest.mark.parametrize("length", [0, 5, HEADER - 1, HEADER, HEADER + 3, len(SEALED) - 1])
def test_cut_short(length: int) -> None:
    """
    A file that was not copied wholly is damaged.
    """
    assert code_of(SEALED[:length]) == "backup-unreadable"


def test_other_files() -> None:
    """
    What is no backup is said to be none, and one of a newer version to be that.
    """
    with pytest.raises(Problem, match="not a backup"):
        unseal(b"-----BEGIN CERTIFICATE-----", PASSPHRASE)
    with pytest.raises(Problem, match="newer version"):
        unseal(b"tlsgate backup 2\n" + SEALED[17:], PASSPHRASE)
