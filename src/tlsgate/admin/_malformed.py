"""
Refusals by twisted.web's own parser, as problem documents.

What is no HTTP never becomes a request: the parser writes a bare 400 to the transport and closes.  That write is the
one place where such a refusal can be seen from outside, so it is answered for there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from zope.interface import directlyProvides, providedBy

from ..problems import Problem
from ._problem import PROBLEM_JSON, problem_document, to_json

__all__ = ["RefusingTransport", "malformed_answer"]

#: What twisted.web's parser writes when it gives up.
BARE: Final = b"HTTP/1.1 400 Bad Request\r\n\r\n"


def malformed_answer(detail: str) -> bytes:
    """
    The whole answer to what is no request; the connection ends after it.
    """
    content = to_json(problem_document(Problem("malformed-request", detail)))
    return (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: %b\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (PROBLEM_JSON.encode("ascii"), len(content), content)
    )


class RefusingTransport:
    """
    A transport through which the parser's bare 400 leaves as a problem document.
    """

    def __init__(self, transport: Any, refusal: Callable[[], bytes]) -> None:
        """
        @param transport: of the connection; everything else goes to it as it is.
        @param refusal: what to send instead of a bare 400; nothing where an answer has begun already.
        """
        self._transport = transport
        self._refusal = refusal
        directlyProvides(self, providedBy(transport))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, content: bytes) -> None:
        """
        As L{ITransport.write}.
        """
        self._transport.write(self._refusal() if content == BARE else content)

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        """
        As L{ITransport.writeSequence}.
        """
        self._transport.writeSequence(pieces)
