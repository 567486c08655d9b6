"""
A TCP or UNIX stream as a Twisted transport on a hub.

How a byte travels in: the hub calls L{StreamTransport.on_event}, that makes one C{recv} and calls
C{protocol.dataReceived}.  Out: C{write} tries C{send} at once; only what the socket does not take is kept, and only
then the hub watches for writability.  Everything else in this file is about ends.

C{connectionLost} is never called from within a method that the protocol called: it comes after the events at hand.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    ITCPTransport,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ._addresses import RawAddress
from ._hub import ERROR, HANGUP, PEER_ENDED, READ, WRITE
from ._interfaces import IEndObserver, IHub
from ._socket import SocketOptions

__all__ = ["HIGH_WATER", "LOW_WATER", "StreamTransport"]

#: Bytes of the write buffer at which a producer is paused, and at which it is resumed.
HIGH_WATER: Final = 64 * 1024
LOW_WATER: Final = 16 * 1024

#: Bytes of one read.  A fresh 256 KiB C{bytes} goes through mmap each time and costs half the throughput.  Measured
#: for 200 B, 16 KiB, 64 KiB: C{recv} into fresh bytes 1.3, 2.0, 5.6 us; into a shared buffer and copied 1.4, 2.9, 6.9.
READ_SIZE: Final = 64 * 1024

#: Reads that an orderly close without a linger spends on unread input.
DRAINS: Final = 4

#: Small waiting writes are joined until they are this long.
JOIN_SIZE: Final = 64 * 1024

_RESET: Final = struct.pack("ii", 1, 0)

# Made once: a Failure costs more than a small event.
DONE: Final = Failure(ConnectionDone())  # type: ignore[no-untyped-call]  # Twisted's
LOST: Final = Failure(ConnectionLost())  # type: ignore[no-untyped-call]  # Twisted's
ABORTED: Final = Failure(ConnectionAborted())  # type: ignore[no-untyped-call]  # Twisted's

_log = Logger()


@implementer(ITCPTransport, IPushProducer, IConsumer)
class StreamTransport(SocketOptions):
    """
    Moves bytes between one non-blocking stream socket and one protocol.

    Pausing and resuming are assignments: what the hub watches is changed only when an event comes that is not wanted,
    so a pause that ends before the peer sends more costs no system call.

    @ivar protocol: who gets the bytes; may be changed by assignment. C{None} when the connection is over.
    @ivar buffered: bytes written but not yet taken by the socket.
    @ivar connected: until the socket is closed.
    @ivar disconnecting: from C{loseConnection} until the socket is closed.
    @ivar disconnected: after that.
    @ivar linger: seconds that C{loseConnection} waits, after our last byte, for a peer that is still sending; what it
        sends is thrown away.  Set it before refusing content: closing over unread input sends a reset, and that can
        destroy the answer on its way.
    @cvar secure: are the bytes encrypted on the wire?
    """

    __slots__ = (
        "_chunks",
        "_fd",
        "_hub",
        "_in_event",
        "_interest",
        "_paused",
        "_producer",
        "_producer_paused",
        "_read_closed",
        "_reason",
        "_recv",
        "_send",
        "_streaming",
        "_write_closed",
        "_write_closing",
        "_write_failed",
        "buffered",
        "connected",
        "deadline",
        "deadline_slot",
        "disconnected",
        "disconnecting",
        "linger",
        "protocol",
    )

    secure = False

    # What sending raises, looked at only when it does.
    _would_block: ClassVar[tuple[type[Exception], ...]] = (BlockingIOError,)
    _broken: ClassVar[tuple[type[Exception], ...]] = (OSError,)

    def __init__(self, hub: IHub, sock: socket.socket, peer: RawAddress, host: RawAddress) -> None:
        """
        @param sock: connected and non-blocking; belongs to the transport from now on.
        """
        self._hub = hub
        self.sock = sock
        self._fd = sock.fileno()
        self._recv: Callable[[int], bytes] = sock.recv
        self._send: Callable[[bytes | memoryview], int] = sock.send
        self.peer = peer
        self.host = host
        self.protocol: IProtocol | None = None
        self._interest = -1
        self._in_event = False
        self._paused = False
        self._read_closed = False
        self._chunks: deque[bytes | memoryview] | None = None
        self.buffered = 0
        self._producer: Any = None
        self._streaming = True
        self._producer_paused = False
        self._write_closing = False
        self._write_closed = False
        self._write_failed = False
        self._reason: Failure = DONE
        self.connected = True
        self.disconnecting = False
        self.disconnected = False
        self.linger = 0.0
        self.deadline = 0
        self.deadline_slot = 0

    def start(self, protocol: IProtocol) -> None:
        """
        Give the connection to a protocol, then read.
        """
        self.protocol = protocol
        self._interest = self._wanted()
        self._hub.add(self._fd, self.on_event, self._interest)
        try:
            protocol.makeConnection(self)
        except Exception:
            _log.failure("A protocol failed to begin")
            self.abortConnection()

    # Reading

    def on_event(self, events: int) -> None:
        """
        The hub's call: the socket can be read, written, or is broken.
        """
        self._in_event = True
        if events & ~WRITE:
            if self._paused or self._read_closed or self.disconnecting:
                self._event_unwanted(events)
            else:
                self._read()
        if events & WRITE and self.connected:
            self._flush()
        self._in_event = False
        if (self.buffered or self._interest != READ) and self.connected:
            self._rewatch()

    def _read(self) -> None:
        try:
            data = self._recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self._lose(LOST)
            return
        if data:
            self.protocol.dataReceived(data)  # type: ignore[union-attr]  # set while connected and started
        else:
            self._end_of_input(DONE)

    def _event_unwanted(self, events: int) -> None:
        """
        The socket has something for us, but nobody wants to read.
        """
        if self.disconnecting:
            self._discard()
            return
        if events & (HANGUP | ERROR):
            try:
                over = not self.sock.recv(1, socket.MSG_PEEK) and self._read_closed
            except BlockingIOError:
                over = False
            except OSError:
                over = True
            if over:
                self._lose(LOST)
                return
            if self._interest != -1:
                # Level-triggered, and reported however little is asked for: look away until reading goes on.
                self._hub.remove(self._fd)
                self._interest = -1
            self._tell_peer_ended()
        elif events & PEER_ENDED:
            # Level-triggered, too: once is enough.
            self._watch(self._wanted())
            self._tell_peer_ended()
        elif IEndObserver.providedBy(self.protocol) and not self._read_closed:
            self._watch(self._wanted() | PEER_ENDED)
        else:
            self._watch(self._wanted())

    def _tell_peer_ended(self) -> None:
        if not self._read_closed and IEndObserver.providedBy(self.protocol):
            self.protocol.peer_ended()

    def _discard(self) -> None:
        """
        While the last bytes go out, what still comes in is thrown away: closing over unread input would send a reset,
        and a reset can destroy the answer on its way.
        """
        try:
            ended = not self.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            self._lose(self._reason if self._write_closed else LOST)
            return
        if ended:
            self._read_closed = True
            if self._write_closed:
                self._lose(self._reason)
            else:
                self._watch(self._wanted())

    def _wanted(self) -> int:
        """
        What the hub should watch for now.
        """
        reading = not self._read_closed and (self.disconnecting or not self._paused)
        writing = self.buffered or not self._streaming
        return (READ if reading else 0) | (WRITE if writing else 0)

    def _rewatch(self) -> None:
        """
        After an event: watch what is wanted.  A pause leaves READ watched until an event shows that it must not be.
        """
        wanted = self._wanted()
        if self._interest == -1:
            if not wanted:
                return
        elif not (wanted & ~self._interest or self._interest & ~wanted & WRITE):
            return
        elif not wanted & READ:
            wanted |= self._interest & PEER_ENDED
        self._watch(wanted)

    def _watch(self, events: int) -> None:
        if events == self._interest:
            return
        if self._interest == -1:
            self._hub.add(self._fd, self.on_event, events)
        else:
            self._hub.modify(self._fd, events)
        self._interest = events

    def _end_of_input(self, reason: Failure) -> None:
        protocol = self.protocol
        self._read_closed = True
        if not self._write_closed and not self._write_failed and IHalfCloseableProtocol.providedBy(protocol):
            self._watch(self._wanted())
            protocol.readConnectionLost()
        else:
            self._lose(reason)

    def pauseProducing(self) -> None:
        """
        Call C{dataReceived} no more, until C{resumeProducing}.
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        Undo C{pauseProducing}.
        """
        self._paused = False
        if not self._in_event and self._interest != READ and self.protocol is not None and self.connected:
            self._rewatch()

    def stopProducing(self) -> None:
        """
        Read no more: close.
        """
        self.loseConnection()

    # Writing

    def write(self, data: bytes) -> None:
        """
        Send bytes, now as far as the socket takes them.  After the end of writing they are dropped.
        """
        if self.buffered:
            self._keep(data)
            return
        if self._write_closing or self._write_failed or not self.connected or not data:
            return
        try:
            sent = self._send(data)
        except self._would_block:
            sent = 0
        except self._broken:
            self._fail_writing()
            return
        if sent != len(data):
            self._keep(memoryview(data)[sent:] if sent else data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Send several pieces as one.
        """
        self.write(b"".join(iovec))

    def _keep(self, data: bytes | memoryview) -> None:
        """
        Remember what the socket does not take now.
        """
        if self._write_closing or not data:
            return
        if self._chunks is None:
            self._chunks = deque()
        self._chunks.append(data)
        was_empty = not self.buffered
        self.buffered += len(data)
        if was_empty and not self._in_event and self._interest >= 0:
            self._watch(self._interest | WRITE)
        if self.buffered > HIGH_WATER and self._streaming and self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()

    def _flush(self) -> None:
        """
        The socket takes bytes again.
        """
        chunks = self._chunks
        while chunks:
            chunk = chunks[0]
            if len(chunk) < JOIN_SIZE and len(chunks) > 1:
                chunk = self._join(chunks, JOIN_SIZE)
            try:
                sent = self._send(chunk)
            except BlockingIOError:
                break
            except OSError:
                self._fail_writing()
                return
            self.buffered -= sent
            if sent != len(chunk):
                chunks[0] = memoryview(chunk)[sent:]
                break
            chunks.popleft()
        self._flushed()

    @staticmethod
    def _join(chunks: deque[bytes | memoryview], size: int) -> bytes:
        """
        Make one chunk of the first ones.
        """
        joined = []
        length = 0
        while chunks and length < size:
            chunk = chunks.popleft()
            joined.append(chunk)
            length += len(chunk)
        whole = b"".join(joined)
        chunks.appendleft(whole)
        return whole

    def _flushed(self) -> None:
        """
        There is less in the buffer than there was: resume who waits for that.
        """
        producer = self._producer
        if producer is not None:
            if self._streaming:
                if self._producer_paused and self.buffered <= LOW_WATER:
                    self._producer_paused = False
                    producer.resumeProducing()
            elif not self.buffered:
                producer.resumeProducing()
        elif not self.buffered:
            if self.disconnecting:
                self._close_in_order()
            elif self._write_closing and not self._write_closed:
                self._close_writing()

    def _fail_writing(self) -> None:
        """
        Nothing can be sent any more, but the peer may have said why (an early answer, then a reset): read on; the
        end of input ends the connection.
        """
        self._write_failed = True
        self.buffered = 0
        self._chunks = None
        self._reason = LOST
        if self.disconnecting or self._read_closed:
            self._lose(LOST)
            return
        if self._producer_paused and self._producer is not None:
            self._producer_paused = False
            self._producer.resumeProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Let a producer be paused while more than L{HIGH_WATER} bytes wait, and resumed at L{LOW_WATER}.

        @raise RuntimeError: there is one already.
        """
        if self._producer is not None:
            raise RuntimeError("There is a producer already")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer = producer
        self._streaming = streaming
        self._producer_paused = False
        if not streaming:
            self._rewatch()
        elif self.buffered > HIGH_WATER:
            self._producer_paused = True
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """
        The producer has written all; a close that waited for it goes on.
        """
        self._producer = None
        self._streaming = True
        if self.connected and not self.buffered and (self.disconnecting or self._write_closing):
            self._flushed()

    # Ends

    def loseWriteConnection(self) -> None:
        """
        Say that nothing more will be written, once everything is.
        """
        if not self._write_closing and self.connected and not self._write_failed:
            if not self.buffered and self._producer is None:
                self._close_writing()
            self._write_closing = True

    def _close_writing(self) -> None:
        self._write_closed = True
        self._shutdown_writing()
        protocol = self.protocol
        if self._read_closed:
            self._lose(DONE)
        elif IHalfCloseableProtocol.providedBy(protocol):
            self._hub.soon(protocol.writeConnectionLost)

    def _shutdown_writing(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The peer was faster; reading tells.

    def loseConnection(self) -> None:
        """
        Close once everything is written and no producer is registered.
        """
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            if self._write_failed or (not self.buffered and self._producer is None):
                self._close_in_order()
            elif not self._in_event and self.protocol is not None:
                self._rewatch()

    def _close_in_order(self) -> None:
        """
        Everything is written: close.
        """
        if self.linger and not self._read_closed and not self._write_failed:
            self._linger()
        else:
            if not self._read_closed:
                self._drain()
            self._lose(self._reason)

    def _drain(self) -> None:
        """
        Throw away what came unread, even if only session tickets: closing over it would send a reset, and the kernel
        would forget what it has not sent yet.
        """
        try:
            for _ in range(DRAINS):
                if len(self.sock.recv(READ_SIZE)) < READ_SIZE:
                    return
        except OSError:
            pass  # Nothing there, or nobody.

    def _linger(self) -> None:
        """
        Close our side only, and throw away what the peer still sends until it closes, too.
        """
        self._hub.deadlines.set(self, self.linger)
        if not self._write_closed:
            self._write_closed = self._write_closing = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self._lose(self._reason)
                return
        if not self._in_event and self.connected:
            self._rewatch()

    def deadline_passed(self) -> None:
        """
        The peer did not close in time after we did.
        """
        self._lose(self._reason)

    def abortConnection(self) -> None:
        """
        Close now, with a reset, whatever is still to be written.
        """
        if self.connected:
            try:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:
                pass  # Closing is all that is left, then.
            self._lose(ABORTED)

    def crashed(self) -> None:
        """
        The hub's word that the protocol raised: only this connection ends.
        """
        self.abortConnection()

    def _lose(self, reason: Failure) -> None:
        """
        Close the socket now, and tell the protocol after the events at hand.
        """
        if not self.connected:
            return
        self.connected = False
        self.disconnecting = False
        self.disconnected = True
        self._reason = reason
        if self._interest != -1:
            self._hub.remove(self._fd)
            self._interest = -1
        self.deadline = 0
        self._close_socket()
        self._chunks = None
        self.buffered = 0
        self._hub.soon(self._tell_end)

    def _close_socket(self) -> None:
        self.sock.close()

    def _tell_end(self) -> None:
        protocol, self.protocol = self.protocol, None
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        if protocol is not None:
            protocol.connectionLost(self._reason)
