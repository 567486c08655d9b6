"""
A listener on port 80 for as long as challenges are live, where no binding listens there.

It answers exactly the live challenges and nothing else, and is closed whatever comes of the orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.resource import IResource
from twisted.web.server import Site
from zope.interface import implementer

from ..policy import challenge_answer

__all__ = ["TemporaryListener"]

#: Seconds that a client may be silent.
SILENCE = 15


@implementer(IResource)
class _Answers:
    """
    The whole site.
    """

    isLeaf = True

    def __init__(self) -> None:
        self.answers: Mapping[bytes, bytes] = {}

    def render(self, request: Any) -> bytes:
        answer = challenge_answer(request.uri, self.answers) if request.method in (b"GET", b"HEAD") else None
        request.setHeader(b"connection", b"close")
        request.setHeader(b"server", b"tlsgate")
        if answer is None:
            request.setResponseCode(404)
            request.setHeader(b"content-type", b"text/plain")
            return b"Nothing but ACME challenges is answered here.\n"
        request.setHeader(b"content-type", b"application/octet-stream")
        return answer

    def getChildWithDefault(self, name: bytes, request: Any) -> _Answers:
        return self

    def putChild(self, path: bytes, child: object) -> None:
        raise NotImplementedError


class TemporaryListener:
    """
    Open while somebody holds it.

    @ivar port: where it listens; 0 while it is closed.
    """

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._holders = 0
        self._answers = _Answers()
        self._listening: IListeningPort | None = None
        self.port = 0

    def set_answers(self, answers: Mapping[bytes, bytes]) -> None:
        """
        Answer exactly these from now on.
        """
        self._answers.answers = answers

    def hold(self, port: int) -> bool:
        """
        Open it, or keep it open.

        @return: does it listen?  If not, nothing is held.
        """
        if self._listening is None:
            self._listening = self._listen(port)
            if self._listening is None:
                return False
            self.port = port
        self._holders += 1
        return True

    def _listen(self, port: int) -> IListeningPort | None:
        make: Any = Site  # The library's calls have no types.
        site = make(self._answers, timeout=SILENCE)
        site.noisy = False
        reason = ""
        for interface in ("::", ""):
            try:
                listening: IListeningPort = self._reactor.listenTCP(port, site, interface=interface)
            except CannotListenError as refused:
                reason = str(refused.socketError)
                continue
            self._log.info("port {port} is open for ACME challenges", port=port)
            return listening
        self._log.info("port {port} cannot be opened for ACME challenges: {reason}", port=port, reason=reason)
        return None

    async def release(self) -> None:
        """
        Close it, unless somebody else holds it.
        """
        self._holders -= 1
        if self._holders > 0 or self._listening is None:
            return
        listening, self._listening, self.port = self._listening, None, 0
        await maybeDeferred(listening.stopListening)
        self._log.info("the port for ACME challenges is closed")
