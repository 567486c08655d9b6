"""
One exchange: the conductor of a request and its response.

It reads as the life of a request: L{Exchange.begin} decides (challenge, site, redirect, limits), L{Exchange._ask} lends a
connection and sends the head; content goes up as it comes; L{Exchange.response_head} and its kin bring the response down;
L{record} counts and logs.  Backpressure joins the two transports only once a message does not fit into one read.

This is hot code: no Deferred, no closure, and what equal fields mean is looked up, not worked out (L{_meaning}).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ..errors import Blame, GateError, MalformedRequest, NoUpstream, UpstreamNonsense
from ..http1 import (
    CHUNKED,
    LAST_CHUNK,
    UNTIL_CLOSE,
    ProtocolViolation,
    RequestHead,
    ResponseHead,
    chunk,
    last_chunk,
    status_line,
)
from ..policy import COUNTS_HOPS, challenge_answer, traced, trailers_to_pass
from ._answers import answer, error_answer
from ._meaning import RequestMeaning, ResponseMeaning
from ._pace import Pace
from ._plain import look_at_plain
from ._record import record
from ._tunnel import Tunnel

if TYPE_CHECKING:
    from ..upstream import ServerPool, UpstreamConnection
    from ._channel import Channel
    from ._routing import ServedSite

__all__ = ["Exchange"]

#: Methods that may be sent again when nothing of an answer arrived (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE", b"PROPFIND", b"REPORT"})

#: Bytes of a request's content that are held to be sent again.
HELD = 64 * 1024

#: Answers after which no further request is read, though this one could be: who sends such targets may mean another
#: message than we read, and after CONNECT a client may already speak something else.
ENDS_CONNECTION = frozenset({400, 501})


class Exchange:
    """
    A request, on its way to its logged answer.

    @ivar head: C{None} for what was refused before it was a request.
    @ivar site: C{None} until it is known.
    @ivar meaning: what its fields mean; C{None} until that is known.
    @ivar pool: of the server that was asked last, or C{None}.
    @ivar begun: monotonic seconds.
    @ivar upstream_seconds: from the request's head to the response's, negative until there is one.
    @ivar status: of the answer; 0 until there is one.
    @ivar bytes_in: of content, so far; C{bytes_out} likewise.
    @ivar takes_content: is the client's content still wanted?
    @ivar request_complete: has all of the request been read?
    @ivar writing_stalled: does the client read slower than the upstream sends?
    @ivar connection: that is lent to it, or C{None}.
    """

    __slots__ = (
        "_asked_at",
        "_chunk",
        "_held",
        "_interim",
        "_keep_alive",
        "_pace",
        "_response_begun",
        "_retried",
        "_reusable",
        "_trailers",
        "_waiting_head",
        "begun",
        "bytes_in",
        "bytes_out",
        "channel",
        "connection",
        "head",
        "meaning",
        "pool",
        "request_complete",
        "request_id",
        "site",
        "status",
        "takes_content",
        "upstream_seconds",
        "writing_stalled",
    )

    def __init__(self, channel: Channel, head: RequestHead | None) -> None:
        self.channel = channel
        self.head = head
        self.site: ServedSite | None = None
        self.request_id = b""
        self.takes_content = head is not None and head.framing != 0
        self.writing_stalled = False
        self.meaning: RequestMeaning | None = None
        self.begun = monotonic()
        self._asked_at = 0.0
        self.upstream_seconds = -1.0
        self.bytes_in = 0
        self.bytes_out = 0
        self.pool: ServerPool | None = None
        self.connection: UpstreamConnection | None = None
        self.request_complete = not self.takes_content
        # What may have to be sent again: pieces of content, or None once it is too much or the response has begun.
        self._held: list[bytes] | None = []
        self._trailers: list[tuple[bytes, bytes]] | None = None
        self._retried = False
        self._interim = 0
        self.status = 0
        self._keep_alive = False
        self._chunk = False
        self._reusable = False
        self._pace: Pace | None = None
        self._response_begun = False
        # The response's head, until it can go out together with the first content.
        self._waiting_head = b""

    def __repr__(self) -> str:
        head = self.head
        what = "refused" if head is None else f"{head.method.decode('ascii')} {head.target.decode('ascii')}"
        return f"<Exchange {what} {self.status or 'unanswered'}>"

    # The request.

    def begin(self) -> None:  # noqa: PLR0912 - one decision after the other, in the order in which they are made
        """
        A head has been read: decide what becomes of it.
        """
        channel = self.channel
        plane = channel.plane
        head = self.head
        assert head is not None
        fields = head.fields
        meaning = fields.memo
        if meaning is None or meaning.routes is not plane.routes:
            meaning = fields.memo = RequestMeaning(fields, channel, plane)
            channel.binding.remember(channel.peer_ip, fields)
        self.meaning = meaning
        self.request_id = meaning.request_id or plane.next_request_id()
        if head.minor:
            self._keep_alive = meaning.keep_alive
        else:
            meaning = self._reduce_to_1_0(meaning)
        try:
            if plane.challenges and not channel.binding.secure:
                content = challenge_answer(head.target, plane.challenges)
                if content is not None:
                    self._answer(200, b"Content-Type: application/octet-stream\r\n", content)
                    return
            self.site = site = meaning.site
            if meaning.refusal is not None:
                # Not raised: it is kept with the fields, and would keep a traceback of every time.
                self._fail(meaning.refusal)
                return
            target = head.target
            if target[:1] != b"/" or head.method == b"CONNECT":
                head.target = meaning.reduce_target(head.method, target)
            assert site is not None
            if not meaning.secure:
                decided = look_at_plain(self, meaning, plane)
                if decided is not None:
                    self._answer(*decided)
                    return
            elif site.redirects and meaning.seen_at != plane.wall:
                # Once a second and client at most, and only where a redirect may have sent it here.
                meaning.seen_at = plane.wall
                plane.report.seen_secure(meaning.client_ip, meaning.user_agent, plane.wall)
            if meaning.counts_hops and head.method in COUNTS_HOPS and self._ends_here(meaning, site):
                return
            most = site.site.max_body
            if most and head.framing > most:
                self._refuse_content()
                return
            self._ask(None)
        except GateError as error:
            self._fail(error)

    def _ends_here(self, meaning: RequestMeaning, site: ServedSite) -> bool:
        # RFC 9110 section 7.6.2: where Max-Forwards is used up, this gate answers as if it were the origin.
        less = meaning.one_hop_less()
        if less is not None:
            self.meaning = less
            return False
        head = self.head
        assert head is not None
        fields = site.hsts_line if self.channel.binding.secure else b""
        if head.method == b"TRACE":
            self._answer(200, fields + b"Content-Type: message/http\r\nCache-Control: no-store\r\n", traced(head))
        else:
            self._answer(200, fields, b"")
        return True

    def _reduce_to_1_0(self, meaning: RequestMeaning) -> RequestMeaning:
        self._keep_alive = meaning.keep_alive_1_0
        if meaning.upgrade:
            # RFC 9110 section 7.8: Upgrade in HTTP/1.0 is to be ignored.
            assert self.head is not None
            channel = self.channel
            meaning = self.meaning = RequestMeaning(self.head.fields, channel, channel.plane, upgrades=False)
        return meaning

    def _ask(self, beside: ServerPool | None, fresh: bool = False) -> None:
        # Select an upstream and borrow a connection; content waits until there is one.
        site = self.site
        head = self.head
        assert site is not None
        assert head is not None
        group = site.group
        key = self.meaning.hash_key(group.settings.hash_key, head.target) if group.hashes() else b""  # type: ignore[union-attr]
        self.pool = pool = group.pick(key, beside)
        try:
            connection = pool.lend(self, head.method, fresh)
        except NoUpstream:
            if beside is not None or len(group.pools) < 2:
                raise
            # Its line is full; another server may have room.
            self._ask(pool, fresh)
            return
        if connection is not None:
            self.connection_lent(connection)

    def connection_lent(self, connection: UpstreamConnection) -> None:
        """
        The upstream can be spoken to: send the head, and what is there of the content.
        """
        self.connection = connection
        self._asked_at = monotonic()
        head = self.head
        meaning = self.meaning
        assert head is not None
        assert meaning is not None
        framing = head.framing
        if framing == 0:
            length = head.fields.content_length
            connection.transport.write(
                b"%b %b HTTP/1.1\r\n%bX-Request-ID: %b\r\n%b\r\n"
                % (
                    head.method,
                    head.target,
                    meaning.upstream_fields,
                    self.request_id,
                    b"" if length < 0 else b"Content-Length: 0\r\n",
                )
            )
            plane = self.channel.plane
            plane.deadlines.set(connection, plane.timeouts.first_byte)
            return
        connection.transport.write(
            b"%b %b HTTP/1.1\r\n%bX-Request-ID: %b\r\n%b\r\n"
            % (
                head.method,
                head.target,
                meaning.upstream_fields,
                self.request_id,
                b"Transfer-Encoding: chunked\r\n" if framing == CHUNKED else b"Content-Length: %d\r\n" % framing,
            )
        )
        for content in self._held or ():
            connection.transport.write(chunk(content) if framing == CHUNKED else content)
        connection.last_unsent = -1
        if self.request_complete:
            self._end_request(connection, self._trailers)
            return
        if head.method not in IDEMPOTENT:
            self._held = None
        plane = self.channel.plane
        plane.deadlines.set(connection, plane.timeouts.first_byte if self._awaits_continue() else plane.timeouts.body)
        # In this order: what was held may be more than the transport wants to have waiting, and then it pauses again.
        self.channel.resumeProducing()
        connection.transport.registerProducer(self.channel, True)

    def waits_for_client(self) -> bool:
        """
        Is the upstream silent because the client has not sent all yet?  Then the channel's deadline decides.
        """
        return self.takes_content and not self._awaits_continue()

    def _awaits_continue(self) -> bool:
        # RFC 9110 section 10.1.1: the client waits for a word of the upstream's before it sends content.
        return (
            not self.bytes_in
            and not self._interim
            and self.head is not None
            and self.head.fields.get(b"expect") is not None
        )

    def content_may_wait(self) -> bool:
        """
        Is the client right to send no content now?
        """
        return self._awaits_continue() and not self._response_begun

    @property
    def proxied_addresses(self) -> tuple[Any, Any]:
        """
        The client's raw address and the one it connected to, for a PROXY header; C{None} where there is none.
        """
        channel = self.channel
        host = channel.transport.host
        known = isinstance(channel.peer, tuple) and isinstance(host, tuple)
        return (channel.peer[:2], host[:2]) if known else (None, None)

    def connection_failed(self, error: GateError) -> None:
        """
        No connection will come.  Nothing was sent, so another server may be asked whatever the method.
        """
        pool = self.pool
        site = self.site
        assert site is not None
        if pool is not None and not isinstance(error, NoUpstream):
            site.group.exchange_failed(pool, error.code)
        if not self._retried and len(site.group.pools) > 1:
            self._retried = True
            try:
                self._ask(pool)
            except GateError as second:
                self._fail(second)
            return
        self._fail(error)

    def request_content(self, content: bytes) -> None:
        """
        A piece of the client's content.
        """
        self.bytes_in += len(content)
        site = self.site
        head = self.head
        assert site is not None
        assert head is not None
        most = site.site.max_body
        if most and self.bytes_in > most:
            self._refuse_content()
            return
        held = self._held
        if held is not None:
            if self.bytes_in <= HELD or self.connection is None:
                held.append(content)
            else:
                self._held = None
        connection = self.connection
        if connection is None:
            if self.bytes_in > HELD:
                self.channel.pauseProducing()
            return
        connection.transport.write(chunk(content) if head.framing == CHUNKED else content)
        if not self.writing_stalled:
            plane = self.channel.plane
            connection.deadline = plane.deadlines.now + int(plane.timeouts.body) + 1

    def _refuse_content(self) -> None:
        sentence = "The content of the request is larger than this site allows."
        self.malformed(ProtocolViolation(sentence, 413, "content-too-large"))

    def request_ended(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """
        The client's content is complete.
        """
        self.takes_content = False
        self.request_complete = True
        if trailers:
            self._trailers = trailers
        connection = self.connection
        if connection is not None:
            connection.transport.unregisterProducer()
            # However slowly the rest goes up: a client that leaves now must be noticed.
            self.channel.resumeProducing()
            self._end_request(connection, trailers)

    def _end_request(self, connection: UpstreamConnection, trailers: list[tuple[bytes, bytes]] | None) -> None:
        assert self.head is not None
        if self.head.framing == CHUNKED:
            connection.transport.write(last_chunk(trailers_to_pass(trailers)) if trailers else LAST_CHUNK)
        if not self.writing_stalled:
            plane = self.channel.plane
            timeouts = plane.timeouts
            plane.deadlines.set(connection, timeouts.body if self._response_begun else timeouts.first_byte)

    # The response.

    def response_head(self, head: ResponseHead) -> None:
        """
        The upstream answers.
        """
        status = head.status
        if status < 200:
            self._interim_response(head)
            return
        channel = self.channel
        site = self.site
        request = self.head
        assert site is not None
        assert request is not None
        self.upstream_seconds = monotonic() - self._asked_at
        fields = head.fields
        meaning = fields.memo
        secure = channel.binding.secure
        if (
            meaning is None
            or meaning.site is not site
            or meaning.hsts_line is not site.hsts_line
            or meaning.secure != secure
        ):
            meaning = ResponseMeaning(fields, site, secure, channel.plane, request.fields.host)
            fields.memo = meaning if meaning.lasting else None
        if meaning.offload:
            meaning.count_offload(channel.plane.counters)
        self.status = status
        self._held = None
        framing = head.framing
        keep_alive = self._keep_alive and not channel.plane.draining
        tail = b""
        if framing < 0:
            if request.minor:
                self._chunk = True
                tail = b"Transfer-Encoding: chunked\r\n"
            else:
                keep_alive = False
        if not meaning.dated:
            tail += channel.plane.date_line
        if not keep_alive or not self.request_complete:
            keep_alive = False
            tail += b"Connection: close\r\n"
        elif not request.minor:
            tail += b"Connection: keep-alive\r\n"
        self._keep_alive = keep_alive
        self._reusable = framing != UNTIL_CLOSE and (meaning.keep_alive if head.minor else meaning.keep_alive_1_0)
        block = meaning.fields
        if status == 204:
            block = meaning.fields_without_length
            if fields.content_length > 0 or fields.coded:
                # It announces content that it must not have (RFC 9110 section 8.6): what follows may be that.
                self._reusable = False
        self._waiting_head = b"%b%b%b\r\n" % (status_line(status, head.reason), block, tail)
        self._response_begun = True

    def _interim_response(self, head: ResponseHead) -> None:
        plane = self.channel.plane
        request = self.head
        assert request is not None
        self._interim += 1
        if self._interim > plane.limits.interim:
            self._abort_upstream(UpstreamNonsense("The upstream sent too many interim responses."))
            return
        if head.status == 101:
            self._switch_protocols(head)
            return
        # RFC 9110 section 15.2: a proxy forwards 1xx, but never to an HTTP/1.0 client.
        if request.minor and self.meaning is not None:
            block = ResponseMeaning(head.fields, None, False, plane).fields_without_length
            self.channel.transport.write(b"%b%b\r\n" % (status_line(head.status, head.reason), block))
        connection = self.connection
        if connection is not None and self.request_complete:
            plane.deadlines.set(connection, plane.timeouts.first_byte)

    def response_content(self, content: bytes) -> None:
        """
        A piece of the upstream's content.
        """
        self.bytes_out += len(content)
        if self._chunk:
            content = chunk(content)
        waiting = self._waiting_head
        if waiting:
            self._waiting_head = b""
            content = waiting + content
        self.channel.transport.write(content)

    def response_paused(self) -> None:
        """
        More is to come: from now on the client's pace is the upstream's.
        """
        connection = self.connection
        if connection is None or not self._response_begun:
            return
        waiting = self._waiting_head
        transport = self.channel.transport
        if waiting:
            self._waiting_head = b""
            transport.write(waiting)
        plane = self.channel.plane
        if self._pace is None:
            self._pace = pace = Pace(self)
            transport.registerProducer(pace, True)
        if not self.writing_stalled:
            plane.deadlines.set(connection, plane.timeouts.body)

    def response_ended(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """
        The response is complete.
        """
        channel = self.channel
        ending = self._waiting_head
        if self._chunk:
            ending += last_chunk(trailers_to_pass(trailers)) if trailers else LAST_CHUNK
        connection = self.connection
        if self._pace is not None:
            channel.transport.unregisterProducer()
            channel.last_unsent = -1
            if self.writing_stalled and connection is not None:
                # Its last piece paused it, and nobody would resume it for its next exchange.
                connection.transport.resumeProducing()
        if ending:
            channel.transport.write(ending)
        self.connection = None
        pool = self.pool
        if connection is not None and pool is not None:
            if self.request_complete:
                if self._reusable:
                    pool.release(connection)
                else:
                    pool.evict(connection, orderly=True)
            else:
                # Answered before all of the request was read: the rest must not become the next request.
                connection.transport.unregisterProducer()
                pool.evict(connection)
                self.takes_content = False
            pool.failures = 0
        self._finish()

    def upstream_failed(self, error: GateError) -> None:
        """
        The connection ended in the middle of something.
        """
        connection, self.connection = self.connection, None
        pool = self.pool
        site = self.site
        assert site is not None
        assert connection is not None
        if not self.request_complete:
            connection.transport.unregisterProducer()
        retryable = (
            error.retryable
            and connection.reused
            and not connection.answered
            and not self._retried
            and self._held is not None
            and self.head is not None
            and self.head.method in IDEMPOTENT
        )
        if retryable:
            # RFC 9112 section 9.3.1: the server closed a connection that idled, at the moment it was reused.
            self._retried = True
            try:
                self._ask(None, fresh=True)
            except GateError as second:
                self._fail(second)
            return
        if pool is not None:
            site.group.exchange_failed(pool, error.code)
        self._fail(error)

    def _abort_upstream(self, error: GateError) -> None:
        connection, self.connection = self.connection, None
        pool = self.pool
        if connection is not None and pool is not None:
            pool.evict(connection)
            if self.site is not None and error.blame is Blame.UPSTREAM:
                self.site.group.exchange_failed(pool, error.code)
        self._fail(error)

    # Tunnels.

    def _switch_protocols(self, head: ResponseHead) -> None:
        meaning = self.meaning
        connection = self.connection
        assert meaning is not None
        assert connection is not None
        assert self.head is not None
        upgrade = head.fields.get(b"upgrade")
        if not meaning.upgrade or upgrade is None or not self.request_complete or not self.head.minor:
            self._abort_upstream(UpstreamNonsense("The upstream switched protocols without being asked to."))
            return
        self.status = 101
        self._held = None
        self.upstream_seconds = monotonic() - self._asked_at
        block = ResponseMeaning(head.fields, None, False, self.channel.plane).fields_without_length
        self.channel.transport.write(
            b"%b%bConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (status_line(101, head.reason), block, upgrade)
        )
        Tunnel(self, self.channel, connection).begin()

    def tunnel_ended(self, bytes_in: int, bytes_out: int, *, orderly: bool) -> None:
        """
        The tunnel that this exchange became is closed on both sides.

        @param orderly: let what was written to the upstream be sent.
        """
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out
        connection, self.connection = self.connection, None
        if connection is not None and self.pool is not None and connection.borrower is not None:
            self.pool.evict(connection, orderly=orderly)
        record(self)

    def tunnel_data(self, data: bytes) -> None:
        """
        Never called: a tunnel borrows the connection in its own name.
        """

    def tunnel_half_closed(self) -> None:
        """
        Never called: a tunnel borrows the connection in its own name.
        """

    # Ends.

    def client_gone(self) -> None:
        """
        Nobody waits for the answer any more: the upstream's work ends at once.
        """
        pool = self.pool
        connection, self.connection = self.connection, None
        if connection is not None and pool is not None:
            pool.evict(connection)
        elif pool is not None:
            pool.give_up(self)
        self.status = self.status or 499
        record(self)

    def crashed(self) -> None:
        """
        A mistake of ours: the client's connection ends, so that it does not wait.
        """
        self.connection = None
        channel = self.channel
        channel.exchange = None
        channel.transport.abortConnection()

    def last(self) -> None:
        """
        The client's connection is to end after this exchange, even if the client was told otherwise.
        """
        self._keep_alive = False

    def malformed(self, violation: ProtocolViolation) -> None:
        """
        What the client sent, or did not send in time, cannot be read on.
        """
        self.channel.plane.counters.refused[violation.code] += 1
        self.takes_content = False
        self._keep_alive = False
        sentence = str(violation)
        if not sentence.endswith("."):
            sentence = f"The request was refused: {sentence}."
        self._fail(MalformedRequest(sentence, violation.status, violation.code))

    def _fail(self, error: GateError) -> None:
        channel = self.channel
        pool = self.pool
        connection, self.connection = self.connection, None
        if connection is not None and pool is not None:
            pool.evict(connection)
        elif pool is not None:
            pool.give_up(self)
        if self._response_begun and not self._waiting_head:
            # Part of a response is out.  It must never look whole: no last chunk, no further byte.
            if self._pace is not None:
                channel.transport.unregisterProducer()
            channel.exchange = None
            record(self)
            channel.transport.abortConnection()
            return
        self._waiting_head = b""
        self._chunk = False
        head = self.head
        fields = b""
        if error.status == 503:
            # A limit's answer, too: of connections and of places in line.
            fields = b"Retry-After: 5\r\n"
            channel.plane.counters.refused[error.code] += 1
        self._keep_alive = (
            self._keep_alive
            and self.request_complete
            and error.status not in ENDS_CONNECTION
            and not channel.plane.draining
        )
        self.takes_content = False
        self.status = error.status
        site = self.site or channel.assumed_site()
        if channel.binding.secure and site is not None:
            fields += site.hsts_line
        if not self.request_id:
            self.request_id = channel.plane.next_request_id()
        accept = (head.fields.get(b"accept") or b"") if head is not None else b""
        data = error_answer(
            error.status,
            error.code,
            str(error),
            accept=accept,
            fields=fields + channel.plane.date_line,
            request_id=self.request_id,
            close=not self._keep_alive,
            head_only=head is not None and head.method == b"HEAD",
        )
        self.bytes_out = len(data)
        channel.transport.write(data)
        self._finish()

    def _answer(self, status: int, fields: bytes, content: bytes) -> None:
        # An answer of the gate's own that is no error: a redirect, a challenge.
        channel = self.channel
        assert self.head is not None
        self.status = status
        self._keep_alive = self._keep_alive and self.request_complete and not channel.plane.draining
        self.takes_content = False
        self.bytes_out = len(content)
        channel.transport.write(
            answer(
                status,
                channel.plane.date_line + fields,
                content,
                request_id=self.request_id,
                close=not self._keep_alive,
                head_only=self.head.method == b"HEAD",
            )
        )
        self._finish()

    def _finish(self) -> None:
        record(self)
        self.channel.exchange_finished(self._keep_alive)
