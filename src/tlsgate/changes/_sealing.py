"""
Bytes under a passphrase: scrypt (RFC 7914) makes the key, AES-256-GCM (NIST SP 800-38D) encrypts and proves.

A sealed file is::

    "tlsgate backup 1" LF
    cost     1 byte       N of scrypt is 2 ** cost; r is 8, p is 1
    salt    16 bytes
    check   16 bytes      tells a wrong passphrase from a damaged file
    nonce   12 bytes
    sum     16 bytes      of SHA-256 of all that stands before it: the header is as it was written
    content               AES-256-GCM, all that stands before it is authenticated with it

One key encrypts one file, since its salt is new each time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ..problems import Problem, ProblemError

__all__ = ["SHORTEST_PASSPHRASE", "seal", "unseal"]

MAGIC: Final = b"tlsgate backup 1\n"
FAMILY: Final = b"tlsgate backup "

SALT: Final = 16
CHECK: Final = 16
NONCE: Final = 12
SUM: Final = 16
HEADER: Final = len(MAGIC) + 1 + SALT + CHECK + NONCE + SUM

#: 128 MiB and a third of a second for each guess.
COST: Final = 17
# What is read may have been made for stronger machines, but may not ask for all memory of this one.
COSTS: Final = range(14, 21)

#: Characters; whoever has the file can guess for as long as they like.
SHORTEST_PASSPHRASE: Final = 8


def seal(content: bytes, passphrase: str, *, random: Callable[[int], bytes] = os.urandom, cost: int = COST) -> bytes:
    """
    Encrypt.  Takes time and memory: to be called in a thread.

    @raise Problem: C{invalid-settings}: the passphrase is too short.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        message = f"A passphrase has at least {SHORTEST_PASSPHRASE} characters."
        raise Problem("invalid-settings", message, errors=[ProblemError("/passphrase", "out-of-range", message)])
    salt, nonce = random(SALT), random(NONCE)
    key, check = _derived(passphrase, salt, cost)
    header = MAGIC + bytes([cost]) + salt + check + nonce
    header += hashlib.sha256(header).digest()[:SUM]
    return header + AESGCM(key).encrypt(nonce, content, header)


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """
    Decrypt what L{seal} made.  Takes time and memory: to be called in a thread.

    @raise Problem: C{wrong-password}; C{backup-unreadable}: it is no backup, of another version, or not as it was
        written.
    """
    if not sealed.startswith(MAGIC):
        if sealed.startswith(FAMILY):
            raise Problem("backup-unreadable", "The backup was made by a newer version of tlsgate.")
        raise Problem("backup-unreadable", "This is not a backup of tlsgate.")
    header, content = sealed[:HEADER], sealed[HEADER:]
    if len(header) < HEADER or hashlib.sha256(header[:-SUM]).digest()[:SUM] != header[-SUM:]:
        raise _damaged()
    at = len(MAGIC)
    cost = header[at]
    salt, check, nonce = (header[at + start : at + end] for start, end in ((1, 17), (17, 33), (33, 45)))
    if cost not in COSTS:
        raise _damaged()
    key, expected = _derived(passphrase, salt, cost)
    if not hmac.compare_digest(check, expected):
        raise Problem("wrong-password", "The passphrase is not the one that the backup was made with.")
    try:
        return AESGCM(key).decrypt(nonce, content, header)
    except InvalidTag:
        raise _damaged() from None


def _derived(passphrase: str, salt: bytes, cost: int) -> tuple[bytes, bytes]:
    """
    The key, and what shows that the passphrase is right.
    """
    derived = Scrypt(salt=salt, length=32 + CHECK, n=2**cost, r=8, p=1).derive(passphrase.encode("utf-8", "replace"))
    return derived[:32], derived[32:]


def _damaged() -> Problem:
    return Problem("backup-unreadable", "The backup is damaged: it is not as it was written. Take another copy of it.")
