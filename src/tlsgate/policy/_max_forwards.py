"""
C{Max-Forwards}: how far a C{TRACE} or C{OPTIONS} may still go (RFC 9110 section 7.6.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..http1 import RequestHead

__all__ = ["COUNTS_HOPS", "hops_left", "traced", "with_hops_left"]

#: Methods whose C{Max-Forwards} is heeded; with others it passes as it is.
COUNTS_HOPS: Final = frozenset({b"OPTIONS", b"TRACE"})

# RFC 9110 section 7.6.2: 1*DIGIT.  Bounded: no request comes past ten digits of intermediaries.
_HOPS: Final = re.compile(rb"[0-9]{1,10}")

# A complete line of a field section that a request is sent on with.
_LINE: Final = re.compile(rb"^(max-forwards):[^\r\n]*", re.IGNORECASE | re.MULTILINE)

#: Fields that a reflection may show (RFC 9110 section 9.3.8 leaves out what may be secret).  Stricter: those alone that tell
#: of the way, since no list of secrets is complete.
_TOLD: Final = frozenset({b"host", b"max-forwards", b"via"})


def hops_left(lines: Iterable[tuple[bytes, bytes]]) -> int:
    """
    How many more servers may have the request after this one.

    @raise ValueError: there is not exactly one such field, or it is no number.
    """
    [value] = [value for name, value in lines if name.lower() == b"max-forwards"]
    if _HOPS.fullmatch(value) is None:
        raise ValueError(value)
    return int(value)


def with_hops_left(fields: bytes, hops: int) -> bytes:
    """
    A field section with another number in its C{Max-Forwards}.

    @param fields: complete lines.
    """
    return _LINE.sub(rb"\g<1>: %d" % hops, fields)


def traced(head: RequestHead) -> bytes:
    """
    A C{TRACE} request as it was received, without what might be secret.
    """
    told = (b"%b: %b\r\n" % line for line in head.fields.lines if line[0].lower() in _TOLD)
    return b"%b %b HTTP/1.%d\r\n%b\r\n" % (head.method, head.target, head.minor, b"".join(told))
