"""
Answers to live ACME HTTP-01 challenges (RFC 8555 section 8.3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["challenge_answer"]

# RFC 8555 section 8.3: base64url without padding.  Bounded, though the lookup is exact anyway.
_TARGET: Final = re.compile(rb"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,256})")


def challenge_answer(target: bytes, challenges: Mapping[bytes, bytes]) -> bytes | None:
    """
    The key authorization for exactly this target, or C{None}.  No query, no other spelling of the path.

    @param challenges: token to key authorization.
    """
    if not challenges:
        return None
    match = _TARGET.fullmatch(target)
    return None if match is None else challenges.get(match[1])
