"""
What opening a file costs, told without opening it.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsgate.certificates._cost import MAX_ITERATIONS, check_cost


def pfx(rounds: int) -> bytes:
    encryption = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(rounds).build(b"pw")
    return pkcs12.serialize_key_and_certificates(b"x", ec.generate_private_key(ec.SECP256R1()), None, None, encryption)


def test_common_counts_pass() -> None:
    """
    A PKCS#12 file as programs make it is opened.
    """
    check_cost(pfx(20_000))


def test_large_counts_are_refused() -> None:
    """
    The same file with its count raised is refused: the count is found inside nested strings.
    """
    spoilt = pfx(20_000).replace((20_000).to_bytes(2, "big"), b"\x7f\xff")
    check_cost(spoilt)
    salt_and_count = bytes.fromhex("300b0404aabbccdd0203") + (MAX_ITERATIONS + 1).to_bytes(3, "big")
    with pytest.raises(ValueError, match="take too long"):
        check_cost(bytes([0x04, len(salt_and_count)]) + salt_and_count)


@pytest.mark.parametrize("hostile", [b"\x30\x80" * 300, b"\x04\x00" * 30_000, b"\x04\x01\x00\x02\x20" + b"\xff" * 32])
def test_intricate_files_are_refused(hostile) -> None:
    """
    Endless nesting, endless elements and endless numbers are refused.
    """
    with pytest.raises(ValueError, match=r"intricate|take too long"):
        check_cost(hostile)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400))
def test_any_bytes(der) -> None:
    """
    Any bytes pass or are refused.
    """
    try:
        check_cost(der)
    except ValueError as error:
        assert str(error)
