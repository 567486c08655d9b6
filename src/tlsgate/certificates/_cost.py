"""
What a password-protected file costs to open, before it is opened.

Whoever makes a PKCS#8 or PKCS#12 file chooses how often its password is hashed; a file of 200 bytes can ask for hours.
The count stands behind its salt in all of them, so it is found without knowing which it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["MAX_ITERATIONS", "check_cost"]

#: Rounds of hashing that one file may ask for in total; a million take a third of a second.  OpenSSL and Windows ask
#: for some thousands, careful people for half a million.
MAX_ITERATIONS: Final = 3_000_000

# Elements looked at, and how deep: a PKCS#12 file with a long chain has a few hundred.
MAX_ELEMENTS: Final = 20_000
MAX_DEPTH: Final = 200

# X.690 §8.1.2: universal tags, and the bit of a constructed encoding.
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
SEQUENCE: Final = 0x30
CONSTRUCTED: Final = 0x20


def check_cost(der: bytes) -> None:
    """
    Refuse what would take too long.

    @raise ValueError: it would; the message says why.
    """
    total = sum(_counts(der, 0, len(der), 0, [MAX_ELEMENTS]))
    if total > MAX_ITERATIONS:
        raise ValueError(f"its password is hashed {total} times, and more than {MAX_ITERATIONS} take too long")


def _counts(der: bytes, at: int, end: int, depth: int, budget: list[int]) -> Iterator[int]:
    """
    Every INTEGER that directly follows an OCTET STRING, which is what these have in common.

      - RFC 8018 §A.2   PBKDF2-params ::= SEQUENCE { salt OCTET STRING, iterationCount INTEGER, ... }
      - RFC 7292 §C     pkcs-12PbeParams ::= SEQUENCE { salt OCTET STRING, iterations INTEGER }
      - RFC 7292 §4     MacData ::= SEQUENCE { mac DigestInfo, macSalt OCTET STRING, iterations INTEGER }
      - RFC 7914 §7     scrypt-params ::= SEQUENCE { salt OCTET STRING, costParameter INTEGER, ... }
    """
    previous = 0
    while at + 2 <= end:
        budget[0] -= 1
        if budget[0] < 0 or depth > MAX_DEPTH:
            raise ValueError("it is more intricate than any real one")
        tag, length = der[at], der[at + 1]
        at += 2
        if length == 0x80:
            # X.690 §8.1.3.6: the indefinite form; its content runs to an end-of-contents that reads as an element.
            stop = end
        else:
            if length > 0x80:
                size = length & 0x7F
                length = int.from_bytes(der[at : at + size], "big")
                at += size
            stop = min(at + length, end)
        if tag == INTEGER and previous == OCTET_STRING:
            yield int.from_bytes(der[at:stop], "big") if stop - at <= 8 else MAX_ITERATIONS + 1
        elif tag & CONSTRUCTED or (tag == OCTET_STRING and der[at : at + 1] == b"\x30"):
            yield from _counts(der, at, stop, depth + 1, budget)
        previous = tag
        at = stop
