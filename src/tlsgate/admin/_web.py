"""
The admin API on twisted.web.  All of twisted.web's untyped parts that the room uses stand here.

twisted.web would decode paths, write large contents to temporary files and parse forms by itself; none of that
happens here.  Contents stay in memory and are bounded while they arrive, and a whole request has a deadline.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Callable
from email.utils import formatdate
from io import BytesIO
from time import time
from typing import Any, Final

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http, resource, server

from ..problems import Problem
from ._auth import Peer
from ._malformed import RefusingTransport, malformed_answer
from ._operations import MAX_CONTENT, Answer
from ._problem import to_json
from ._service import AdminService, Received
from ._streaming import Streaming

__all__ = ["AdminSite", "user_of_peer"]

#: Seconds that a kept connection may say nothing, that a head may take in all, and a content.
IDLE_TIMEOUT: Final = 60.0
HEAD_TIMEOUT: Final = 15.0
CONTENT_TIMEOUT: Final = 60.0

#: TCP connections at once; those of the UNIX socket are not counted, so that its owner is never locked out.
MAX_CONNECTIONS: Final = 256

#: Bytes a second that a content larger than most must come in with, beyond the time that every content has.
SLOWEST: Final = 256 * 1024

#: Bytes of content, from a client that does not stop at the refusal, that are read and dropped so that it can read it.
MAX_DROPPED: Final = 8 * MAX_CONTENT

#: What is wrong with what is no HTTP, by the part in which twisted.web's parser found it.
NO_REQUEST: Final = "The request line is not METHOD, target and HTTP version with a space between, or is over 16 KiB."
NO_HEAD: Final = (
    "The request's head is malformed: a field that is no NAME: VALUE, over 100 of them, 32 KiB or a line over 16 KiB, or "
    "a Content-Length or Transfer-Encoding that says nothing clear."
)
NO_CONTENT: Final = "The request's chunked content is malformed."


def user_of_peer(transport: Any) -> str:
    """
    The name of the user at the other end of a UNIX socket, as the kernel tells it.
    """
    uid = os.geteuid()
    option = getattr(socket, "SO_PEERCRED", None)
    if option is not None:
        handle = transport.getHandle()
        size = struct.calcsize("3i")
        _, uid, _ = struct.unpack("3i", handle.getsockopt(socket.SOL_SOCKET, option, size))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class AdminRequest(server.Request):
    """
    A request whose content stays in memory and within the limit.
    """

    channel: Any
    _content: BytesIO | None = None
    _arrived = 0
    _largest = MAX_CONTENT
    _refusal: Problem | None = None
    _gone = False

    def gotLength(self, length: int | None) -> None:
        """
        The head is complete.
        """
        self._content = BytesIO()
        # twisted.web closes this itself when the request is done.
        self.content = self._content
        self.method, self.uri = self.channel.first_words()
        self.path = self.uri.partition(b"?")[0]
        self.channel.head_arrived()
        if length is not None and length > MAX_CONTENT:
            self._make_room(length)

    def handleContentChunk(self, data: bytes) -> None:
        """
        More of the content arrived.
        """
        self._arrived += len(data)
        if self._refusal is None and self._arrived > self._largest:
            self._make_room(self._arrived)
        if self._refusal is None and self._content is not None:
            self._content.write(data)
        elif self._arrived > MAX_DROPPED:
            self.channel.give_up()

    def _make_room(self, size: int) -> None:
        """
        More than most operations take: is there one that does, and may whoever sends it use it?  Asked before it is
        read, so that nobody else can fill the memory.
        """
        site: AdminSite = self.channel.site
        try:
            self._largest = site.service.largest_content(self._as_received())
            if size > self._largest:
                raise Problem("too-large", f"A request may carry {self._largest} bytes here.")
        except Problem as problem:
            self._refuse(problem)
        else:
            self.channel.head_arrived(self._largest / SLOWEST)

    def _refuse(self, problem: Problem) -> None:
        """
        Say so at once; what else arrives is dropped, and the connection ends after it.
        """
        # A client that waits for 100 (Continue) is refused before it sends.
        self.requestHeaders.removeHeader(b"Expect")
        self._content = None
        self._refusal = problem
        self.clientproto = b"HTTP/1.1"
        self.channel.persistent = 0
        site: AdminSite = self.channel.site
        self._write(site.service.refusal(problem))

    def emit(self, content: bytes) -> None:
        """
        Send a piece of the answer.
        """
        self.write(content)  # type: ignore[no-untyped-call]  # twisted.web has no types here

    def end(self) -> None:
        """
        The answer is complete.
        """
        self.finish()  # type: ignore[no-untyped-call]  # twisted.web has no types here

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """
        All of it arrived.  twisted.web's own reading of queries and forms is left out.
        """
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.partition(b"?")[0]
        self.args = {}
        self.channel.request_arrived()
        site: AdminSite = self.channel.site
        received = self._as_received()
        if self._refusal is not None:
            site.service.refused(received, self._refusal)
            self.end()
            return
        self.notifyFinish().addErrback(self._left)
        done = Deferred.fromCoroutine(site.service.answer(received))
        done.addCallback(self._send)
        done.addErrback(site.failed)

    def _as_received(self) -> Received:
        return Received(
            method=self.method.decode("latin-1"),
            path=self.path,
            query=self.uri.partition(b"?")[2],
            fields={
                name.decode("latin-1").lower(): tuple(value.decode("latin-1") for value in values)
                for name, values in self.requestHeaders.getAllRawHeaders()
            },
            content=b"" if self._content is None else self._content.getvalue(),
            peer=self.channel.known_peer(),
        )

    def _left(self, reason: Failure) -> None:
        self._gone = True

    def _send(self, answer: Answer) -> None:
        if self._gone:
            return
        self._write(answer)
        if answer.source is None or self.method == b"HEAD":
            self.end()
        else:
            Streaming(self, answer.source, self.channel.site.call_later).start()

    def _write(self, answer: Answer) -> None:
        content = answer.content if answer.document is None else to_json(answer.document)
        self.setResponseCode(answer.status)
        headers = self.responseHeaders
        headers.setRawHeaders("Date", [formatdate(time(), usegmt=True)])
        headers.setRawHeaders("Cache-Control", ["no-store"])
        headers.setRawHeaders("X-Content-Type-Options", ["nosniff"])
        if answer.status != 204:
            headers.setRawHeaders("Content-Type", [answer.content_type])
            if answer.source is None:
                headers.setRawHeaders("Content-Length", [str(len(content))])
        if answer.etag is not None:
            headers.setRawHeaders("ETag", [f'"{answer.etag}"'])
        for name, value in answer.fields.items():
            headers.setRawHeaders(name, [value])
        if answer.fields.get("Connection") == "close":
            self.channel.persistent = 0
        if not self.channel.persistent:
            headers.setRawHeaders("Connection", ["close"])
        self.emit(content)


class AdminChannel(http.HTTPChannel):
    """
    A connection to the listener: knows who is at its other end, and has a deadline for each request.
    """

    site: AdminSite
    peer: Peer
    requestFactory = AdminRequest
    totalHeadersSize = 32 * 1024
    maxHeaders = 100
    _deadline: IDelayedCall | None = None
    _counted = False
    _first: bytes | None = None
    _wrong = NO_REQUEST

    def makeConnection(self, transport: Any) -> None:
        """
        Somebody connected; see L{RefusingTransport}.
        """
        super().makeConnection(RefusingTransport(transport, self._refusal))  # type: ignore[no-untyped-call]  # twisted.web has no types here

    def connectionMade(self) -> None:
        """
        Somebody connected.
        """
        super().connectionMade()  # type: ignore[no-untyped-call]  # twisted.web has no types here
        self.peer = self._who()
        if not self.peer.is_unix:
            self._counted = True
            self.site.connections += 1
            if self.site.connections > MAX_CONNECTIONS:
                self.give_up()
                return
        self._allow(HEAD_TIMEOUT)

    def _who(self) -> Peer:
        assert self.transport is not None
        there: Any = self.transport.getPeer()
        here: Any = self.transport.getHost()
        connected_at = self.site.clock()
        if isinstance(there, (IPv4Address, IPv6Address)):
            return Peer(address=there.host, local_address=here.host, local_port=here.port, connected_at=connected_at)
        return Peer(address="unix", user=self.site.user_of(self.transport), connected_at=connected_at)

    def known_peer(self) -> Peer:
        """
        Who is at the other end, with the certificate that the handshake verified; before a request there was none.
        """
        tls: Any = ISSLTransport(self.transport, None)
        if tls is not None and not self.peer.certificate:
            certificate = tls.getPeerCertificate()
            if certificate is not None:
                subject = certificate.to_cryptography().subject.rfc4514_string()
                self.peer = attrs.evolve(self.peer, certificate=subject or "without a subject")
        return self.peer

    def _allow(self, seconds: float) -> None:
        self._end_deadline()
        self._deadline = self.site.call_later(seconds, self.give_up)

    def _end_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def lineReceived(self, line: bytes) -> None:
        """
        A line of a head; from the first on, the head has a deadline.
        """
        if self._deadline is None:
            self._allow(HEAD_TIMEOUT)
        is_first = self._first is None and bool(line)
        if is_first:
            self._first = line
        super().lineReceived(line)  # type: ignore[no-untyped-call]  # twisted.web has no types here
        if is_first:
            self._wrong = NO_HEAD

    def first_words(self) -> tuple[bytes, bytes]:
        """
        Method and target of the request whose head is complete.
        """
        method, target, _ = (self._first or b"").split(b" ")
        return method, target

    def lineLengthExceeded(self, line: bytes) -> None:
        """
        A request line or field of over 16 KiB is told what is wrong with it, rather than left with a closed connection.
        """
        transport: Any = self.transport
        transport.write(self._refusal())
        transport.loseConnection()

    def _refusal(self) -> bytes:
        # After the head of an answer, another one would be taken for its content.
        answered = any(request.startedWriting for request in self.requests)
        return b"" if answered else malformed_answer(self._wrong)

    def head_arrived(self, more: float = 0.0) -> None:
        """
        The head is complete; the content has a deadline of its own.

        @param more: seconds beyond those that every content has.
        """
        self._wrong = NO_CONTENT
        self._allow(CONTENT_TIMEOUT + more)

    def request_arrived(self) -> None:
        """
        The request is complete; its answer may take as long as it takes.
        """
        self._end_deadline()
        self._first = None
        self._wrong = NO_REQUEST

    def give_up(self) -> None:
        """
        The peer is too slow, or sends too much, or is one too many.
        """
        self._end_deadline()
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The connection ended.
        """
        self._end_deadline()
        if self._counted:
            self._counted = False
            self.site.connections -= 1
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # twisted.web has no types here


class AdminSite(server.Site):
    """
    The factory of the listener's connections.

    @ivar service: what answers.
    @ivar connections: TCP connections open now.
    """

    protocol = AdminChannel  # type: ignore[assignment]  # HTTP/1.1 only, without the negotiation around it
    _log = Logger()

    def __init__(
        self,
        service: AdminService,
        reactor: IReactorTime,
        *,
        clock: Callable[[], float],
        user_of: Callable[[Any], str] = user_of_peer,
    ) -> None:
        """
        @param reactor: for deadlines.
        @param clock: monotonic seconds, for the times of connections.
        @param user_of: tells who is at the other end of a UNIX socket's transport.
        """
        # The resource is never asked: AdminRequest goes to the service with the path as it was sent.
        super().__init__(resource.Resource(), requestFactory=AdminRequest, timeout=IDLE_TIMEOUT, reactor=reactor)  # type: ignore[no-untyped-call]  # twisted.web has no types here
        self.service = service
        self.connections = 0
        self.user_of = user_of
        self.clock = clock
        self.call_later = reactor.callLater

    def log(self, request: Any) -> None:
        """
        No access log: the audit log has what matters, and a query may hold what must not be logged.
        """

    def failed(self, failure: Failure) -> None:
        """
        An answer could not be sent.
        """
        self._log.failure("an answer of the admin API could not be sent", failure)
