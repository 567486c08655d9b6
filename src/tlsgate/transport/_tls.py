"""
TLS on a socket as a Twisted transport on a hub.

OpenSSL reads and writes the socket itself: no memory BIO, no second copy.  Without read-ahead (pyOpenSSL never sets
it) it takes from the socket exactly one record at a time, and a record holds at most 16 KiB (RFC 8446 section 5.1).
So one C{recv} of 16 KiB takes a whole record out, nothing decrypted ever stays behind, and the readiness of the
socket is the readiness of the connection: no call is needed whose only answer can be C{WantReadError}.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, ClassVar, Final

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ._addresses import RawAddress
from ._hub import READ, WRITE
from ._interfaces import IHub
from ._stream import DONE, LOST, StreamTransport

__all__ = ["HANDSHAKE_FAILURES", "TLSTransport", "failure_reason"]

#: The most that one record carries.
RECORD: Final = 16 * 1024

#: Full records taken in one event and passed on as one.  Measured in seconds of CPU for a gigabyte: one record 0.76,
#: two 0.77, four 0.64, eight 0.74, sixteen 0.87 (the joined bytes outgrow the cache).
RECORDS_AT_ONCE: Final = 4

#: Bytes offered to OpenSSL at once: it fills records back to back where the context lets it.
SEND_SIZE: Final = 256 * 1024

#: Every reason that C{handshake_done} is given.
HANDSHAKE_FAILURES: Final = frozenset(
    {
        "certificate",
        "client-alert",
        "closed",
        "no-shared-cipher",
        "not-tls",
        "other",
        "server-alert",
        "timeout",
        "unrecognized-name",
        "unsupported-protocol",
    }
)

#: The first content type byte of a TLS connection: handshake (RFC 8446 section 5.1).
_HANDSHAKE_BYTE: Final = 0x16

#: What OpenSSL's words mean, the first match counts.
_REASONS: Final = (
    ("unrecognized name", "unrecognized-name"),
    ("callback failed", "unrecognized-name"),
    ("clienthello tlsext", "unrecognized-name"),
    ("certificate verify failed", "certificate"),
    ("no shared cipher", "no-shared-cipher"),
    ("no suitable", "no-shared-cipher"),
    ("no shared", "no-shared-cipher"),
    ("unsupported protocol", "unsupported-protocol"),
    ("version too low", "unsupported-protocol"),
    ("no protocols available", "unsupported-protocol"),
    ("alert", "alert"),
    ("http request", "not-tls"),
    ("https proxy request", "not-tls"),
    ("wrong version number", "not-tls"),
    ("packet length too long", "not-tls"),
    ("record layer failure", "not-tls"),
    ("bad record type", "not-tls"),
    ("unexpected message", "not-tls"),
)

_log = Logger()


def failure_reason(error: Exception) -> str:
    """
    Why a handshake failed, as one of L{HANDSHAKE_FAILURES}, or C{alert} for the peer's.
    """
    if isinstance(error, (SSL.SysCallError, SSL.ZeroReturnError)):
        return "closed"
    if not isinstance(error, SSL.Error) or not error.args or not isinstance(error.args[0], list):
        return "other"
    words = " ".join(entry[2] for entry in error.args[0])
    for part, reason in _REASONS:
        if part in words:
            return reason
    return "other"


class TLSTransport(StreamTransport):
    """
    Moves bytes between one TLS connection and one protocol.

    The end of input is C{ConnectionDone} only after the peer's close_notify; without it, it is C{ConnectionLost}, and
    a content that ends with the connection is not complete.

    @ivar tls_version: as C{TLSv1.3}; empty before the handshake is done.
    @ivar cipher: OpenSSL's name of the cipher; empty before the handshake is done.
    @ivar server_name: what the client asked for (server) or was told to (client); empty for none.
    """

    __slots__ = (
        "_client",
        "_connection",
        "_handshake_done",
        "_handshake_failure",
        "_not_tls",
        "_notify_waits",
        "_protocol_factory",
        "_read_waits",
        "_write_waits",
        "cipher",
        "server_name",
        "tls_version",
    )

    secure = True

    _would_block: ClassVar[tuple[type[Exception], ...]] = (SSL.WantWriteError, SSL.WantReadError)
    _broken: ClassVar[tuple[type[Exception], ...]] = (SSL.Error,)

    def __init__(
        self,
        hub: IHub,
        sock: socket.socket,
        peer: RawAddress,
        host: RawAddress,
        context: SSL.Context,
        *,
        client: bool = False,
        server_name: bytes | None = None,
    ) -> None:
        """
        @param sock: connected and non-blocking; belongs to the transport from now on.
        @param client: begin the handshake, rather than wait for it.
        @param server_name: the name to ask for (SNI), an A-label; client only.
        """
        super().__init__(hub, sock, peer, host)
        connection = SSL.Connection(context, sock)
        self._connection: SSL.Connection | None = connection
        self._recv = connection.recv
        self._send = connection.send
        self._client = client
        self.server_name = ""
        self.tls_version = ""
        self.cipher = ""
        if client:
            connection.set_connect_state()
            if server_name is not None:
                connection.set_tlsext_host_name(server_name)
                self.server_name = server_name.decode("ascii")
        else:
            connection.set_accept_state()
        self._protocol_factory: Callable[[], IProtocol | None] | None = None
        self._handshake_done: Callable[[TLSTransport, str], None] | None = None
        self._handshake_failure = ""
        self._not_tls: Callable[[socket.socket], None] | None = None
        # Wants of OpenSSL that cross directions: reading waits for writability, writing for readability; and a
        # close_notify that the socket did not take.
        self._read_waits = False
        self._write_waits = False
        self._notify_waits = False

    def start(  # type: ignore[override]  # a protocol exists only once the handshake is done
        self,
        protocol_factory: Callable[[], IProtocol | None],
        handshake_done: Callable[[TLSTransport, str], None],
        handshake_timeout: float,
        not_tls: Callable[[socket.socket], None] | None = None,
    ) -> None:
        """
        Shake hands; then make a protocol, give the connection to it, and read.

        @param protocol_factory: called once the handshake is done, unless C{handshake_done} ended the connection;
            C{None} ends it, too.
        @param handshake_done: called once, with this transport and C{""}, or with one of L{HANDSHAKE_FAILURES} when
            the socket is closed and no protocol will come.  On the client side the place to check who answered.
        @param handshake_timeout: seconds.
        @param not_tls: server side; gets the socket, nothing of its input consumed, if the first byte is not that of
            a TLS handshake, after C{handshake_done} was told C{not-tls}.  The socket is then no longer ours.
        """
        self._protocol_factory = protocol_factory
        self._handshake_done = handshake_done
        self._not_tls = not_tls
        self._hub.deadlines.set(self, handshake_timeout)
        # A client's first flight goes out with the first event, so that no outcome precedes the end of this call.
        self._interest = WRITE if self._client else READ
        self._hub.add(self._fd, self.on_first_event if not_tls else self.on_handshake_event, self._interest)

    # The handshake

    def on_first_event(self, events: int) -> None:
        """
        The hub's call: the client's first byte is here.
        """
        try:
            first = self.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            first = b""
        if first and first[0] != _HANDSHAKE_BYTE:
            self._hand_over()
            return
        self._hub.replace(self._fd, self.on_handshake_event)
        self.on_handshake_event(events)

    def _hand_over(self) -> None:
        self._hub.deadlines.clear(self)
        self._hub.remove(self._fd)
        self._interest = -1
        self.connected = False
        self.disconnected = True
        self._connection = None
        self._forget_methods()
        handshake_done, self._handshake_done = self._handshake_done, None
        self._protocol_factory = None
        if handshake_done is not None:
            handshake_done(self, "not-tls")
        if self._not_tls is not None:
            self._not_tls(self.sock)

    def on_handshake_event(self, events: int) -> None:
        """
        The hub's call: the handshake can go on.
        """
        try:
            self._connection.do_handshake()  # type: ignore[union-attr]  # it is there until the socket is closed
        except SSL.WantReadError:
            self._watch(READ)
        except SSL.WantWriteError:
            self._watch(WRITE)
        except SSL.Error as error:
            self._fail_handshake(failure_reason(error))
        except Exception:
            # A callback's own mistake, which pyOpenSSL hands on: this handshake fails, no other.
            _log.failure("A TLS handshake failed in a callback of ours")
            self._fail_handshake("other")
        else:
            self._finish_handshake()

    def _fail_handshake(self, reason: str) -> None:
        if reason == "alert":
            reason = "server-alert" if self._client else "client-alert"
        self._handshake_failure = reason
        if reason != "timeout" and self.connected:
            # Our alert is on its way: unread input would make the close a reset, and that could overtake it.
            try:
                self.sock.shutdown(socket.SHUT_WR)
                self.sock.recv(64 * 1024)
            except OSError:
                pass
        self._lose(LOST)

    def _finish_handshake(self) -> None:
        connection = self._connection
        assert connection is not None
        self._hub.deadlines.clear(self)
        self._hub.replace(self._fd, self.on_event)
        self._watch(READ)
        self.tls_version = connection.get_protocol_version_name()
        self.cipher = connection.get_cipher_name() or ""
        if not self._client:
            self.server_name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        handshake_done, self._handshake_done = self._handshake_done, None
        protocol_factory, self._protocol_factory = self._protocol_factory, None
        assert handshake_done is not None
        assert protocol_factory is not None
        handshake_done(self, "")
        if not self.connected or self.disconnecting:
            return
        protocol = protocol_factory()
        if protocol is None:
            self.loseConnection()
            return
        self.protocol = protocol
        protocol.makeConnection(self)

    def deadline_passed(self) -> None:
        """
        The handshake took too long, or the peer to close after us.
        """
        if self._handshake_done is not None:
            self._fail_handshake("timeout")
        else:
            super().deadline_passed()

    # Reading

    def _read(self) -> None:
        try:
            data = self._recv(RECORD)
        except SSL.WantReadError:
            return
        except SSL.WantWriteError:
            self._read_waits = True
            return
        except SSL.ZeroReturnError:
            self._end_of_input(DONE)
            return
        except SSL.Error:
            self._lose(LOST)
            return
        if len(data) == RECORD:
            self._read_on(data)
        else:
            self.protocol.dataReceived(data)  # type: ignore[union-attr]  # set while connected and started
        if self._write_waits and self.connected:
            self._write_waits = False
            self._flush()

    def _read_on(self, first: bytes) -> None:
        """
        A full record: more are probably here. Pass on several at once.
        """
        records = [first]
        end: Failure | None = None
        closed = False
        try:
            while len(records) < RECORDS_AT_ONCE:
                data = self._recv(RECORD)
                records.append(data)
                if len(data) != RECORD:
                    break
        except SSL.WantReadError:
            pass
        except SSL.WantWriteError:
            self._read_waits = True
        except SSL.ZeroReturnError:
            end, closed = DONE, True
        except SSL.Error:
            end = LOST
        self.protocol.dataReceived(b"".join(records))  # type: ignore[union-attr]  # set while connected and started
        if end is not None and self.connected:
            # The socket need not become readable again for this.
            if closed and not self.disconnecting:
                self._end_of_input(DONE)
            elif not closed:
                self._lose(end)

    def _wanted(self) -> int:
        reading = not self._read_closed and (self.disconnecting or not self._paused)
        writing = (
            self._read_waits or self._notify_waits or (self.buffered and not self._write_waits) or not self._streaming
        )
        return (READ if reading else 0) | (WRITE if writing else 0)

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
        length = len(data)
        sent = 0
        try:
            # While a context asks for partial writes, as pyOpenSSL does unless MODE_ENABLE_PARTIAL_WRITE is cleared,
            # one call sends one record.
            sent = self._send(data if length <= SEND_SIZE else memoryview(data)[:SEND_SIZE])
            while sent != length:
                sent += self._send(memoryview(data)[sent : sent + SEND_SIZE])
            return
        except SSL.WantWriteError:
            pass
        except SSL.WantReadError:
            self._write_waits = True
        except SSL.Error:
            self._fail_writing()
            return
        self._keep(memoryview(data)[sent:] if sent else data)

    def _flush(self) -> None:
        if self._read_waits:
            self._read_waits = False
            if not self._paused and not self._read_closed:
                self._read()
        chunks = self._chunks
        try:
            while chunks:
                chunk = chunks[0]
                if len(chunk) < SEND_SIZE and len(chunks) > 1:
                    # After a WantWriteError OpenSSL must be given the same bytes again; that more follow is allowed.
                    chunk = self._join(chunks, SEND_SIZE)
                self._send_chunk(chunk, chunks)
        except SSL.WantWriteError:
            pass
        except SSL.WantReadError:
            self._write_waits = True
        except SSL.Error:
            self._fail_writing()
            return
        if self.connected:
            self._flushed()

    def _send_chunk(self, chunk: bytes | memoryview, chunks: Any) -> None:
        """
        Send the first chunk until it is gone or the socket is full; what is left stays the first chunk.
        """
        length = len(chunk)
        view = memoryview(chunk)
        offset = 0
        send = self._send
        try:
            while offset < length:
                offset += send(view[offset : offset + SEND_SIZE])
        finally:
            self.buffered -= offset
            if offset == length:
                chunks.popleft()
            elif offset:
                chunks[0] = view[offset:]

    # Ends

    def _shutdown_writing(self) -> None:
        try:
            if self._connection is not None:
                self._connection.shutdown()
        except SSL.Error:
            pass  # The peer was faster; reading tells.

    def _close_in_order(self) -> None:
        """
        Everything is written: say so with close_notify, and close without waiting for the peer's.
        """
        connection = self._connection
        self._notify_waits = False
        if (
            connection is not None
            and not self._write_closed
            and self._handshake_done is None
            and not self._write_failed
        ):
            try:
                connection.shutdown()
            except SSL.WantWriteError:
                self._notify_waits = True
                self._watch(self._wanted())
                return
            except SSL.Error:
                pass  # The connection is broken already: there is nobody to tell.
        super()._close_in_order()

    def _close_socket(self) -> None:
        self._connection = None  # Frees what OpenSSL holds, even where this transport is still listed somewhere.
        self._forget_methods()
        self._hub.deadlines.clear(self)
        self.sock.close()

    def _forget_methods(self) -> None:
        self._recv = self._send = _closed

    def _tell_end(self) -> None:
        handshake_done, self._handshake_done = self._handshake_done, None
        self._protocol_factory = None
        if handshake_done is not None:
            handshake_done(self, self._handshake_failure or "closed")
        else:
            super()._tell_end()

    # What the connection is

    @property
    def alpn(self) -> bytes:
        """
        The protocol negotiated by ALPN (RFC 7301); empty for none and after the end.
        """
        return self._connection.get_alpn_proto_negotiated() if self._connection is not None else b""

    def peer_certificate(self) -> x509.Certificate | None:
        """
        What the peer showed; C{None} for nothing and after the end.
        """
        if self._connection is None:
            return None
        return self._connection.get_peer_certificate(as_cryptography=True)


def _closed(*arguments: Any) -> Any:
    """
    Stands in for a closed connection's methods.
    """
    raise SSL.SysCallError(-1, "closed")
